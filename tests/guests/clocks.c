/* Clocks and random numbers: what they give differs from run to run, what must hold of it does not. */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

int main(void)
{
    struct timespec last = {0, 0}, now, pause = {0, 2000000};
    int backwards = 0, slept = 0;
    for (int i = 0; i < 40; i++) {
        if (clock_gettime(CLOCK_MONOTONIC, &now))
            return 1;
        if (now.tv_sec < last.tv_sec || (now.tv_sec == last.tv_sec && now.tv_nsec < last.tv_nsec))
            backwards++;
        last = now;
        if (i % 10 == 0)
            slept += nanosleep(&pause, NULL) == 0;
    }
    printf("monotonic time went backwards %d times, slept %d times\n", backwards, slept);
    if (clock_gettime(CLOCK_REALTIME, &now))
        return 2;
    printf("after 2020: %d\n", now.tv_sec > 1577836800);
    unsigned char a[16], b[16];
    if (getentropy(a, sizeof a) || getentropy(b, sizeof b))
        return 3;
    printf("two random numbers differ: %d\n", memcmp(a, b, sizeof a) != 0);
    return 0;
}
