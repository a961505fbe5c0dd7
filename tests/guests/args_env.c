/* Arguments and environment, as the host gave them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern char **environ;

int main(int argc, char **argv)
{
    unsigned sum = 0;
    for (int i = 0; i < argc; i++) {
        printf("arg %d: [%s]\n", i, argv[i]);
        for (const char *c = argv[i]; *c; c++)
            sum = sum * 31 + (unsigned char)*c;
    }
    for (char **variable = environ; *variable; variable++)
        printf("env: %s\n", *variable);
    const char *home = getenv("GUEST_HOME"), *missing = getenv("NOT_THERE");
    printf("GUEST_HOME is %s, NOT_THERE is %s\n", home ? home : "unset", missing ? missing : "unset");
    printf("sum %08x\n", sum);
    return 0;
}
