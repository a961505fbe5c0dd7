/* Writes a file in pieces, reads it back through a second stream, seeks, overwrites in the middle. Two files are open
 * most of the time, at different offsets. */
#include <stdio.h>
#include <string.h>

static int fail(const char *what)
{
    perror(what);
    return 1;
}

int main(void)
{
    FILE *log = fopen("/data/log.txt", "w+"), *table = fopen("/data/table.bin", "wb+");
    if (!log || !table)
        return fail("open for writing");
    unsigned value = 1;
    for (int i = 0; i < 60; i++) {
        value = value * 1664525 + 1013904223;
        fprintf(log, "%d: %08x\n", i, value);
        if (fwrite(&value, sizeof value, 1, table) != 1)
            return fail("write");
        if (i % 8 == 0)
            fflush(log);
    }
    /* Overwrite every fifth entry of the table with its index. */
    for (unsigned i = 0; i < 60; i += 5) {
        if (fseek(table, i * sizeof i, SEEK_SET) || fwrite(&i, sizeof i, 1, table) != 1)
            return fail("overwrite");
    }
    rewind(log);
    rewind(table);
    char line[64];
    unsigned sum = 0;
    while (fgets(line, sizeof line, log)) {
        unsigned entry;
        if (fread(&entry, sizeof entry, 1, table) != 1)
            return fail("read");
        sum = (sum ^ entry) * 16777619u + strlen(line);
        if (entry < 60)
            printf("entry %u, log %s", entry, line);
    }
    printf("sum %08x, log ends at %ld, table at %ld\n", sum, ftell(log), ftell(table));
    fclose(log);
    fclose(table);

    FILE *again = fopen("/data/log.txt", "r");
    if (!again)
        return fail("open again");
    fseek(again, -13, SEEK_END);
    printf("last line: %s", fgets(line, sizeof line, again) ? line : "none\n");
    fclose(again);
    return 0;
}
