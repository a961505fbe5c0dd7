/* Reads a file that the host provides, a few bytes at a time, and counts its words. */
#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

int main(void)
{
    int fd = open("/data/words.txt", O_RDONLY);
    if (fd < 0) {
        perror("/data/words.txt");
        return 1;
    }
    unsigned words = 0, lines = 0, hash = 2166136261u;
    int inside = 0;
    char buffer[7];
    for (ssize_t got; (got = read(fd, buffer, sizeof buffer)) > 0;) {
        for (ssize_t i = 0; i < got; i++) {
            int letter = isalpha((unsigned char)buffer[i]) != 0;
            words += letter && !inside;
            inside = letter;
            lines += buffer[i] == '\n';
            hash = (hash ^ (unsigned char)buffer[i]) * 16777619u;
        }
    }
    printf("%u words, %u lines, hash %08x, at %lld\n", words, lines, hash, (long long)lseek(fd, 0, SEEK_CUR));
    printf("write to it: %zd\n", write(fd, "x", 1));
    close(fd);
    return 0;
}
