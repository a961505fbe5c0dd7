/* malloc, realloc and free in a changing pattern; strings and sorting by a comparison callback. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned state = 2463534242u;

static unsigned next_random(void)
{
    state ^= state << 13;
    state ^= state >> 17;
    return state ^= state << 5;
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

int main(void)
{
    char *words[48] = {0};
    for (int round = 0; round < 400; round++) {
        char **word = &words[next_random() % 48];
        size_t len = 3 + next_random() % 40;
        if (*word && next_random() % 3 == 0) {
            free(*word);
            *word = NULL;
            continue;
        }
        *word = realloc(*word, len + 1);
        if (!*word)
            return 1;
        for (size_t i = 0; i < len; i++)
            (*word)[i] = 'a' + next_random() % 26;
        (*word)[len] = 0;
    }
    size_t count = 0;
    for (int i = 0; i < 48; i++)
        if (words[i])
            words[count++] = words[i];
    qsort(words, count, sizeof *words, compare);
    for (size_t i = 0; i < count; i++)
        printf("%s\n", words[i]);
    printf("%zu words\n", count);
    return 0;
}
