/* Runs random hosts undisturbed, and stopped and restored, and compares what they print. Part of scripted.c and
 * scripted_c.c, which do the same for each of the two interfaces. */
#ifndef DRIVE_H
#define DRIVE_H

/* A file's content, with a NUL behind it. */
static char *content(const char *path)
{
    uint32_t size = 0;
    uint8_t *bytes = read_file(path, &size);
    bytes = realloc(bytes, size + 1);
    bytes[size] = 0;
    return (char *)bytes;
}

typedef struct {
    char *printed, *said;
    int status;
} Ran;

static void forget(Ran *ran)
{
    free(ran->printed);
    free(ran->said);
}

/* When a script is stopped. */
typedef struct {
    /* At this stable point; 0: by a signal. */
    uint64_t at;
    /* After so many microseconds. */
    uint32_t after;
} Moment;

/* Runs the script of a seed; `image`: where it is restored from, `to`: where to when it is stopped. */
static Ran run_script(char **argv, uint64_t seed, const char *suffix, const char *log, const char *image,
                      const char *to, Moment moment)
{
    char out[4096], err[4096], input[4096], number[32], point[32], setting[4096];
    snprintf(out, sizeof out, "%s/out", argv[5]);
    snprintf(err, sizeof err, "%s/err", argv[5]);
    snprintf(input, sizeof input, "%s/input", argv[5]);
    snprintf(number, sizeof number, "%llu", (unsigned long long)seed);
    snprintf(point, sizeof point, "%llu", (unsigned long long)moment.at);
    /* Or each child would print it, too. */
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        alarm(120);
        if (!freopen(out, "w", stdout) || !freopen(err, "w", stderr)) {
            _exit(9);
        }
        /* As through a pipe: what a file that is standard output becomes is not the subject here. */
        int pipe_fds[2];
        if (pipe(pipe_fds)) {
            _exit(9);
        }
        pid_t reader = fork();
        if (reader == 0) {
            char buffer[65536];
            ssize_t n;
            close(pipe_fds[1]);
            while ((n = read(pipe_fds[0], buffer, sizeof buffer)) > 0) {
                if (write(1, buffer, (size_t)n) != n) {
                    _exit(9);
                }
            }
            _exit(0);
        }
        /* Until the library handles it. */
        signal(SIGUSR2, SIG_IGN);
        pid_t host = fork();
        if (host == 0) {
            dup2(pipe_fds[1], 1);
            close(pipe_fds[0]);
            close(pipe_fds[1]);
            if (image) {
                setenv("WAYFARER_RESTORE", image, 1);
            }
            if (to) {
                snprintf(setting, sizeof setting, "%s", to);
                setenv("WAYFARER_CHECKPOINT", setting, 1);
                if (moment.at) {
                    setenv("WAYFARER_CHECKPOINT_AT", point, 1);
                }
                setenv("WAYFARER_CHECKPOINT_THEN", "exit", 1);
            }
            execl("/proc/self/exe", argv[0], "run", number, argv[4], suffix, log, input, NULL);
            _exit(9);
        }
        close(pipe_fds[0]);
        close(pipe_fds[1]);
        int status = 0;
        if (to && !moment.at) {
            usleep(moment.after);
            kill(host, SIGUSR2);
        }
        waitpid(host, &status, 0);
        waitpid(reader, NULL, 0);
        _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
    }
    int status = 0;
    waitpid(child, &status, 0);
    return (Ran){ content(out), content(err), WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status) };
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    if (!file || fputs(text, file) < 0 || fclose(file)) {
        abort();
    }
}

/* Where two texts differ first: the lines there. */
static void show_difference(const char *what, const char *expected, const char *got)
{
    size_t at = 0, line = 0;
    for (; expected[at] && expected[at] == got[at]; at++) {
        line = expected[at] == '\n' ? at + 1 : line;
    }
    printf("     | %s at byte %zu: expected \"%.*s\", got \"%.*s\"\n", what, at,
           (int)strcspn(expected + line, "\n"), expected + line, (int)strcspn(got + line, "\n"), got + line);
}

static const char *refusal(const char *said)
{
    const char *at = strstr(said, "no checkpoint taken: ");
    return at ? at + strlen("no checkpoint taken: ") : NULL;
}

/* Whether guests are there compiled, too. */
static bool access_aot(const char *guests)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/scripted.aot", guests);
    return access(path, R_OK) == 0;
}

static uint64_t microseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* Stable points that are counted at most, the further the fewer: the natural logarithm. */
static double log_of_most(int hop)
{
    return hop == 0 ? 9 : 7;
}

static int drive(char **argv)
{
    uint64_t first = strtoull(argv[2], NULL, 10), count = strtoull(argv[3], NULL, 10);
    uint64_t stops = 0, refused = 0, hops = 0, different = 0;
    char log[4096], image[4096], path[4096];
    snprintf(log, sizeof log, "%s/log", argv[5]);
    snprintf(image, sizeof image, "%s/image", argv[5]);
    snprintf(path, sizeof path, "%s/input", argv[5]);
    FILE *input = fopen(path, "w");
    for (int i = 0; i < 500; i++) {
        fprintf(input, "line %d of what guests read\n", i * 7919 % 1000);
    }
    fclose(input);
    for (uint64_t seed = first; seed < first + count; seed++) {
        Random random = { seed * 77 + 5 };
        const char *suffixes[2] = { "wasm", "aot" };
        bool aot = access_aot(argv[4]);
        write_file(log, "");
        uint64_t begun = microseconds();
        Ran undisturbed =
            run_script(argv, seed, aot ? suffixes[below(&random, 2)] : "wasm", log, NULL, NULL, (Moment){ 0 });
        uint32_t lasts = (uint32_t)(microseconds() - begun);
        char *logged = content(log);
        if (undisturbed.status != 0) {
            printf("FAIL seed %llu: ends with status %d: %.200s\n", (unsigned long long)seed, undisturbed.status,
                   undisturbed.said);
            different++;
        }
        write_file(log, "");
        unlink(image);
        const char *from = NULL;
        Ran last = { 0 };
        for (int hop = 0;; hop++) {
            Moment moment = { .after = below(&random, lasts + 1) };
            if (below(&random, 4)) {
                /* From the first stable point to the last, each order of magnitude alike. */
                moment.at = (uint64_t)exp((double)below(&random, 1000000) / 1e6 * log_of_most(hop));
            }
            const char *suffix = aot ? suffixes[below(&random, 2)] : "wasm";
            bool stop = hop < 3;
            last = run_script(argv, seed, suffix, log, from, stop ? image : NULL, moment);
            if (getenv("SCRIPTED_VERBOSE") && stop) {
                printf("     | seed %llu, %s: to be stopped at %llu or after %u us: status %d\n", (unsigned long long)seed,
                       suffix, (unsigned long long)moment.at, moment.after, last.status);
            }
            if (refusal(last.said)) {
                refused++;
                if (getenv("SCRIPTED_VERBOSE")) {
                    printf("     | seed %llu: %.*s\n", (unsigned long long)seed,
                           (int)strcspn(refusal(last.said), "\n"), refusal(last.said));
                }
            }
            if (last.status != 86) {
                break;
            }
            stops++;
            hops += hop > 0;
            if (strncmp(undisturbed.printed, last.printed, strlen(last.printed))) {
                printf("FAIL seed %llu: printed something else before it was stopped\n", (unsigned long long)seed);
                show_difference("output", undisturbed.printed, last.printed);
                different++;
            }
            from = image;
            forget(&last);
        }
        char *logged_again = content(log);
        bool same = last.status == undisturbed.status && !strcmp(undisturbed.printed, last.printed) &&
                    !strcmp(logged, logged_again);
        if (!same) {
            printf("FAIL seed %llu: status %d, not %d; %.200s\n", (unsigned long long)seed, last.status,
                   undisturbed.status, last.said);
            show_difference("output", undisturbed.printed, last.printed);
            show_difference("log", logged, logged_again);
            different++;
        }
        free(logged);
        free(logged_again);
        forget(&undisturbed);
        forget(&last);
    }
    printf("%llu scripts: stopped %llu times, %llu of them when restored; %llu refusals, %llu differences\n",
           (unsigned long long)count, (unsigned long long)stops, (unsigned long long)hops,
           (unsigned long long)refused, (unsigned long long)different);
    /* Hosts that are hardly ever stopped show nothing. */
    return different > 0 || stops < count / 3;
}

#endif
