/* A WASI program: `status N` prints its arguments and COLOUR and exits with N; `copy FROM TO` copies a file, and stdin
 * after it; `flood N` writes N bytes to stdout in one go, and exits with the error's number, or 255 if not all of them
 * were written. */
#include <stdio.h>
#include <stdlib.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

static void pour(FILE *from, FILE *to)
{
    char bytes[256];
    size_t n;
    while ((n = fread(bytes, 1, sizeof bytes, from)) > 0) {
        fwrite(bytes, 1, n, to);
    }
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "status") == 0) {
        const char *colour = getenv("COLOUR");
        printf("%s %s %s\n", argv[0], argv[1], argv[2]);
        if (colour) {
            printf("COLOUR=%s\n", colour);
        }
        return atoi(argv[2]);
    }
    if (argc == 4 && strcmp(argv[1], "copy") == 0) {
        FILE *from = fopen(argv[2], "rb");
        FILE *to = from ? fopen(argv[3], "wb") : NULL;
        if (!to) {
            perror("copy");
            return 1;
        }
        pour(from, to);
        pour(stdin, to);
        puts("copied");
        return fclose(to) ? 1 : 0;
    }
    if (argc == 3 && strcmp(argv[1], "flood") == 0) {
        size_t size = (size_t)atoi(argv[2]);
        char *bytes = malloc(size);
        for (size_t i = 0; i < size; i++) {
            bytes[i] = (char)('a' + i % 26);
        }
        ssize_t wrote = write(1, bytes, size);
        return wrote < 0 ? errno : (size_t)wrote == size ? 0 : 255;
    }
    return 2;
}
