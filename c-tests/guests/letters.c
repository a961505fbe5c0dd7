/* A WASI program that works for a while, writing to stdout and to a file as it goes. usage: letters FILE ROUNDS */
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    FILE *file = argc == 3 ? fopen(argv[1], "w") : NULL;
    unsigned rounds = argc == 3 ? (unsigned)atoi(argv[2]) : 0;
    unsigned hash = 2166136261u;
    if (!file) {
        return 2;
    }
    for (char letter = 'a'; letter <= 'z'; letter++) {
        for (unsigned i = 0; i < rounds; i++) {
            hash = (hash ^ (i & 255) ^ (unsigned)letter) * 16777619u;
        }
        printf("%c %08x\n", letter, hash);
        fflush(stdout);
        fprintf(file, "%08x %c\n", hash, letter);
    }
    fclose(file);
    return 26;
}
