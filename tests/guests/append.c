/* A file in append mode: writes go to its end, wherever another descriptor or a seek has been. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int main(void)
{
    int append = open("/data/journal", O_WRONLY | O_CREAT | O_APPEND, 0644);
    int reader = open("/data/journal", O_RDONLY);
    if (append < 0 || reader < 0) {
        perror("/data/journal");
        return 1;
    }
    char buffer[256];
    for (int i = 0; i < 20; i++) {
        int len = snprintf(buffer, sizeof buffer, "entry %d;", i);
        if (write(append, buffer, len) != len)
            return 2;
        if (i % 4 == 0)
            lseek(append, 0, SEEK_SET);
        if (i % 3 == 0) {
            /* What was added since the last time. */
            ssize_t got = read(reader, buffer, sizeof buffer - 1);
            buffer[got > 0 ? got : 0] = 0;
            printf("read %zd: %s\n", got, buffer);
        }
    }
    struct stat status;
    if (fstat(append, &status))
        return 3;
    printf("append mode %d, size %lld\n", (fcntl(append, F_GETFL) & O_APPEND) != 0, (long long)status.st_size);
    close(append);
    close(reader);
    return 0;
}
