/* A reactor that hosts/scripted.c calls: its own allocator, output, input. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *kept[8];
static unsigned turns;

__attribute__((constructor)) static void begin(void)
{
    kept[0] = strdup("from the constructor");
    turns = 3;
}

__attribute__((export_name("say"))) int say(int n)
{
    for (int i = 0; i < n; i++) {
        printf("%u.%d %s\n", turns, i, kept[turns % 8] ? kept[turns % 8] : "-");
        turns++;
    }
    fflush(stdout);
    return (int)turns;
}

__attribute__((export_name("keep"))) char *keep(int n)
{
    unsigned slot = turns++ % 8;
    free(kept[slot]);
    kept[slot] = malloc((size_t)n + 1);
    for (int i = 0; i < n; i++) {
        kept[slot][i] = (char)('a' + (i * 7 + (int)turns) % 26);
    }
    kept[slot][n] = 0;
    return kept[slot];
}

__attribute__((export_name("hear"))) int hear(void)
{
    char line[64];
    int sum = 0;
    if (!fgets(line, sizeof line, stdin)) {
        return -1;
    }
    for (char *c = line; *c; c++) {
        sum = sum * 31 + *c;
    }
    return sum;
}

__attribute__((export_name("leave"))) void leave(int status) { exit(status); }
