/* Makes a directory of files, lists it in small steps with other work between, removes some while listing stands
 * still. The order a directory is listed in is the host's business: the output is sorted. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int list(const char *path)
{
    DIR *dir = opendir(path);
    if (!dir) {
        perror(path);
        return 1;
    }
    char *names[64];
    size_t count = 0;
    unsigned work = 0;
    for (struct dirent *entry; count < 64 && (entry = readdir(dir));) {
        if (entry->d_name[0] == '.')
            continue;
        names[count++] = strdup(entry->d_name);
        for (int i = 0; i < 20; i++)
            work = work * 33 + i;
    }
    closedir(dir);
    qsort(names, count, sizeof *names, by_name);
    printf("%s: %zu entries, work %08x\n", path, count, work);
    for (size_t i = 0; i < count; i++) {
        struct stat status;
        char full[128];
        snprintf(full, sizeof full, "%s/%s", path, names[i]);
        if (stat(full, &status))
            return 1;
        printf("  %s %s %lld\n", S_ISDIR(status.st_mode) ? "dir " : "file", names[i],
               S_ISDIR(status.st_mode) ? 0LL : (long long)status.st_size);
        free(names[i]);
    }
    return 0;
}

int main(void)
{
    if (mkdir("/data/shelf", 0755) || mkdir("/data/shelf/box", 0755))
        return perror("mkdir"), 1;
    for (int i = 0; i < 25; i++) {
        char path[64];
        snprintf(path, sizeof path, "/data/shelf/item-%02d", i);
        FILE *file = fopen(path, "w");
        if (!file)
            return perror(path), 1;
        for (int j = 0; j < i; j++)
            fputc('a' + j, file);
        fclose(file);
    }
    if (list("/data/shelf"))
        return 1;
    for (int i = 0; i < 25; i += 2) {
        char path[64];
        snprintf(path, sizeof path, "/data/shelf/item-%02d", i);
        if (unlink(path))
            return perror(path), 1;
    }
    if (rename("/data/shelf/item-01", "/data/shelf/box/moved"))
        return perror("rename"), 1;
    return list("/data/shelf") || list("/data/shelf/box");
}
