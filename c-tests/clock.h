/* Time, for tests whose threads wait. They define _GNU_SOURCE. */
#include <time.h>

__attribute__((unused)) static void pause_for(long milliseconds)
{
    struct timespec time = { milliseconds / 1000, milliseconds % 1000 * 1000000 };
    nanosleep(&time, NULL);
}

/* In seconds, since some moment. */
__attribute__((unused)) static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}
