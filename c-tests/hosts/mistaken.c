/* A host with a mistake that only a sanitizer sees, and only if the library has one built in: scripts/sanitize.sh makes sure.
 * usage: mistaken address|thread */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wasm_export.h"

static uint32_t version[3];

static void *ask(void *argument)
{
    (void)argument;
    for (int i = 0; i < 1000; i++) {
        wasm_runtime_get_version(&version[0], &version[1], &version[2]);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    if (argc != 2 || !wasm_runtime_init()) {
        return 2;
    }
    if (strcmp(argv[1], "address") == 0) {
        /* Says that there is more than there is. */
        char error[128];
        uint8_t *bytes = malloc(8);
        memcpy(bytes, "\0asm\1\0\0\0", 8);
        wasm_module_t module = wasm_runtime_load(bytes, 8 + 40, error, sizeof error);
        printf("%d\n", module != NULL);
        free(bytes);
    } else {
        pthread_t threads[2];
        for (int i = 0; i < 2; i++) {
            pthread_create(&threads[i], NULL, ask, NULL);
        }
        for (int i = 0; i < 2; i++) {
            pthread_join(threads[i], NULL);
        }
    }
    return 0;
}
