/* Has streams of several modes open, with something in the buffers of each, and goes on with them in turn. */
// clang: -Wl,--keep-section=name
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

static unsigned work(unsigned n)
{
    unsigned sum = n;
    for (unsigned i = 0; i < 50; i++) {
        sum = sum * 33 + i;
    }
    return sum;
}

int main(void)
{
    FILE *in = fopen("/data/in.txt", "r");
    FILE *log = fopen("/data/log.txt", "a");
    FILE *table = fdopen(open("/data/table.txt", O_RDWR), "r+");
    FILE *moved = fopen("/data/in.txt", "r");
    if (!in || !log || !table || !moved || freopen("/data/second.txt", "r+", moved) != moved) {
        perror("open");
        return 1;
    }
    for (int i = 0; i < 10; i++) {
        char word[16];
        if (fscanf(in, "%15s", word) != 1 || fseek(table, i, SEEK_SET) || fputc('A' + i, table) == EOF) {
            return 2;
        }
        fprintf(log, "line %d, word %s\n", i, word);
        ungetc('<', moved);
        int first = fgetc(moved), second = fgetc(moved);
        printf("%d: %s, %c%c, work %08x\n", i, word, first, second, work((unsigned)i));
        fflush(stdout);
    }
    if (fclose(in) || fclose(log) || fclose(table) || fclose(moved)) {
        perror("close");
        return 3;
    }
    return 9;
}
