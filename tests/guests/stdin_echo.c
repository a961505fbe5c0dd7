/* Copies standard input to standard output line by line, numbered, and counts. */
#include <stdio.h>
#include <string.h>

int main(void)
{
    char line[128];
    unsigned lines = 0, bytes = 0;
    while (fgets(line, sizeof line, stdin)) {
        size_t len = strlen(line);
        bytes += len;
        if (len && line[len - 1] == '\n')
            line[len - 1] = 0;
        printf("%3u: %s\n", ++lines, line);
        fflush(stdout);
    }
    printf("%u lines, %u bytes, end of file %d\n", lines, bytes, feof(stdin) != 0);
    return 0;
}
