/* Opens and closes streams in all ways there are. Before each step it writes a line `B`, after it a line `E` with what it has
 * closed and opened: what is known of all streams at any moment between is as before or as after. `R` is for freopen, which opens a
 * stream of its own first. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef MANY
#define MANY 200
#endif

/* What the step has done. */
static char did[256];

static void put(const char *text)
{
    size_t length = strlen(text), done = 0;
    while (done < length) {
        ssize_t n = write(1, text + done, length - done);
        if (n <= 0)
            _exit(9);
        done += (size_t)n;
    }
}

static void begin_with(const char *mark)
{
    put(mark);
    strcpy(did, "E");
}

static void begin(void)
{
    begin_with("B\n");
}

static void end(void)
{
    strcat(did, "\n");
    put(did);
}

static void add(FILE *file, const char *mode, const char *path)
{
    if (!file)
        _exit(8);
    sprintf(did + strlen(did), " +%#lx:%d:%s:%s", (unsigned long)file, fileno(file), mode, path);
}

static void drop(FILE *file)
{
    sprintf(did + strlen(did), " -%#lx", (unsigned long)file);
}

/* As programs have them around it. */
static inline FILE *open_or_die(const char *path, const char *mode)
{
    FILE *file = fopen(path, mode);
    if (!file)
        _exit(7);
    return file;
}

static FILE *take(const char *path, const char *mode)
{
    begin();
    FILE *file = open_or_die(path, mode);
    add(file, mode, path);
    end();
    return file;
}

static void give(FILE *file)
{
    begin();
    if (fclose(file))
        _exit(6);
    drop(file);
    end();
}

static FILE *again(const char *path, const char *mode, FILE *file, const char *known)
{
    begin_with("R\n");
    FILE *same = freopen(path, mode, file);
    if (same != file)
        _exit(5);
    drop(file);
    add(file, mode, path ? path : known);
    end();
    return file;
}

static void show(const char *path)
{
    char text[256];
    FILE *file = take(path, "r");
    size_t n = fread(text, 1, sizeof text - 2, file);
    text[n++] = '\n';
    text[n] = 0;
    put(path);
    put(": ");
    put(text);
    give(file);
}

/* A sum of the names of what is left in a directory, which does not depend on their order. */
static unsigned names(DIR *dir, int most)
{
    unsigned sum = 0;
    struct dirent *entry;
    while (most-- > 0 && (entry = readdir(dir)))
        for (const char *c = entry->d_name; *c; c++)
            sum += (unsigned char)*c;
    return sum;
}

int main(void)
{
    static char buffer[64], line[32];
    FILE *w = take("w.txt", "w");
    setvbuf(w, buffer, _IOFBF, sizeof buffer);
    fputs("half a line", w);
    FILE *a = take("a.txt", "a");
    fputs("one\n", a);
    fflush(a);
    FILE *plus = take("plus.txt", "w+");
    setvbuf(plus, NULL, _IONBF, 0);
    fputs("0123456789", plus);
    rewind(plus);
    if (fgetc(plus) != '0' || ungetc('x', plus) != 'x')
        return 4;
    begin();
    if (fopen("missing/file", "r") || fopen("w.txt", "wx") || fopen("none.txt", "r+"))
        return 4;
    end();
    FILE *x = take("x.txt", "wx");
    FILE *update = take("plus.txt", "r+");
    FILE *append = take("a.txt", "a+");
    setvbuf(append, line, _IOLBF, sizeof line);
    fputs("two\nhalf of three", append);

    begin();
    int fd = open("raw.txt", O_CREAT | O_RDWR | O_TRUNC, 0600);
    FILE *raw = fdopen(fd, "r+");
    add(raw, "r+", "-");
    end();
    fputs("raw", raw);

    if (mkdir("deep", 0700) || mkdir("deep/er", 0700) || mkdir("deep/one", 0700) || mkdir("deep/two", 0700))
        return 4;
    FILE *deep = take("deep/er/file.txt", "w");
    DIR *dir = opendir("deep");
    if (!dir)
        return 4;
    unsigned sum = names(dir, 3);
    fputs("deep", deep);

    FILE *moved = take("first.txt", "w");
    fputs("first", moved);
    moved = again("second.txt", "w", moved, NULL);
    fputs("second", moved);
    /* A stream that was open before the program began. */
    again("in.txt", "w+", stdin, NULL);
    fputs("in", stdin);

    static FILE *many[MANY];
    for (int i = 0; i < MANY; i++) {
        char name[16];
        sprintf(name, "many%d.txt", i);
        if (i % 20 == 0) {
            many[i] = take(name, "w");
            continue;
        }
        begin();
        many[i] = open_or_die(name, "w");
        add(many[i], "w", name);
        end();
        fprintf(many[i], "%d", i);
    }
    for (int i = 0; i < MANY; i += 2)
        give(many[i]);
    for (int i = MANY - 1; i > 0; i -= 2)
        give(many[i]);

    /* What was there before, and in the buffers, is there still. */
    sum += names(dir, MANY);
    closedir(dir);
    char found[32];
    sprintf(found, "names: %u\n", sum);
    put(found);
    if (fgetc(plus) != 'x' || fgetc(plus) != '1' || fseek(append, 0, SEEK_SET) || !fgets(found, sizeof found, append))
        return 4;
    put(found);

    /* The descriptor goes without its stream, and is none of it any more. */
    begin();
    fflush(x);
    close(fileno(x));
    drop(x);
    end();

    give(w);
    give(update);
    give(plus);
    give(raw);
    give(a);
    give(append);
    give(moved);
    give(deep);
    begin();
    fclose(stdin);
    drop(stdin);
    end();
    show("w.txt");
    show("a.txt");
    show("plus.txt");
    show("raw.txt");
    show("second.txt");
    show("in.txt");
    show("deep/er/file.txt");
    show("many1.txt");
    return 0;
}
