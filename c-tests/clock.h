/* Time, and threads that let it pass, for tests whose threads wait. They define _GNU_SOURCE. */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
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

/* Whether a thread sleeps (proc(5)). */
__attribute__((unused)) static bool sleeps(int tid)
{
    char path[64], text[512] = "";
    snprintf(path, sizeof path, "/proc/self/task/%d/stat", tid);
    FILE *stat = fopen(path, "r");
    if (stat) {
        text[fread(text, 1, sizeof text - 1, stat)] = 0;
        fclose(stat);
    }
    const char *state = strrchr(text, ')');
    return state && strncmp(state, ") S", 3) == 0;
}
