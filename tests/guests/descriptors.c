/* Descriptors that are closed, renumbered and reused: what is open has gaps, and the offsets are all different. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>
#include <wasi/api.h>

int main(void)
{
    int fds[8];
    char path[32];
    for (int i = 0; i < 8; i++) {
        snprintf(path, sizeof path, "/data/f%d", i);
        fds[i] = open(path, O_RDWR | O_CREAT | O_EXCL, 0644);
        if (fds[i] < 0) {
            perror(path);
            return 1;
        }
        for (int j = 0; j <= i; j++)
            dprintf(fds[i], "%d%d,", i, j);
    }
    /* Gaps at 1 and 4; 6 takes the number of 2. */
    close(fds[1]);
    close(fds[4]);
    if (__wasi_fd_renumber(fds[6], fds[2]))
        return 2;
    for (int i = 0; i < 8; i++)
        lseek(fds[i], i, SEEK_SET);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 8; i++) {
            char text[4] = {0};
            errno = 0;
            ssize_t got = read(fds[i], text, 3);
            printf("%d: %zd [%s]%s\n", fds[i] - fds[0], got, text, errno == EBADF ? " closed" : "");
        }
    }
    int reused = open("/data/f1", O_RDONLY);
    char text[8] = {0};
    read(reused, text, 7);
    printf("reopened: %s\n", text);
    return 0;
}
