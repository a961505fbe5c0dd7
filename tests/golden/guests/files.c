/* Has descriptors of every kind open at once, and goes on with each in turn: a file that is read, one that is appended to, one
 * under another number, a directory that is being listed, a file without a name that is open twice. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <wasi/api.h>

static unsigned work(unsigned n)
{
    unsigned sum = n;
    for (unsigned i = 0; i < 50; i++) {
        sum = sum * 33 + i;
    }
    return sum;
}

static int fail(const char *what)
{
    perror(what);
    return 1;
}

int main(int argc, char **argv)
{
    int in = open("/data/in.txt", O_RDONLY);
    int log = open("/data/log.txt", O_CREAT | O_WRONLY | O_APPEND, 0644);
    int spare = open("/data/in.txt", O_RDONLY);
    int moved = open("/data/table.txt", O_RDWR);
    int gone = open("/data/gone.txt", O_CREAT | O_RDWR, 0644);
    int again = open("/data/gone.txt", O_RDONLY);
    DIR *dir = opendir("/data/shelf");
    if (in < 0 || log < 0 || spare < 0 || moved < 0 || gone < 0 || again < 0 || !dir) {
        return fail("open");
    }
    if (__wasi_fd_renumber((__wasi_fd_t)moved, (__wasi_fd_t)spare)) {
        return fail("renumber");
    }
    moved = spare;
    if (write(gone, "nobody else reads this", 22) != 22 || unlink("/data/gone.txt")) {
        return fail("unlink");
    }
    printf("%s for %s, here is %s\n", argv[0], argc > 1 ? argv[1] : "?", getenv("PLACE") ? getenv("PLACE") : "?");
    struct timespec last = { 0, 0 }, now;
    int backwards = 0;
    for (int i = 0; i < 10; i++) {
        char buffer[16] = { 0 }, line[64];
        ssize_t n = read(in, buffer, 7);
        printf("%d: in [%.*s]", i, (int)n, buffer);
        n = read(again, buffer, 2);
        printf(" again [%.*s]", (int)n, buffer);
        n = pread(moved, buffer, 3, i);
        printf(" moved [%.*s]", (int)n, buffer);
        struct dirent *entry = readdir(dir);
        while (entry && entry->d_name[0] == '.') {
            entry = readdir(dir);
        }
        /* In which order, is the host's business. */
        printf(" shelf %s", entry ? "has more" : "ends");
        int length = snprintf(line, sizeof line, "line %d %08x\n", i, work((unsigned)i));
        if (write(log, line, (size_t)length) != length) {
            return fail("write");
        }
        clock_gettime(CLOCK_MONOTONIC, &now);
        backwards += now.tv_sec < last.tv_sec || (now.tv_sec == last.tv_sec && now.tv_nsec < last.tv_nsec);
        last = now;
        printf(" work %08x\n", work(work((unsigned)i)));
        fflush(stdout);
    }
    struct stat status;
    if (fstat(log, &status)) {
        return fail("fstat");
    }
    printf("log has %lld bytes, time went backwards %d times\n", (long long)status.st_size, backwards);
    return 7;
}
