/* Splits a JSON-like text into tokens and checks how they nest. */
#include "bench.h"

static const char document[] =
    "{\"name\": \"benchmark\", \"version\": 17, \"ratio\": -12.375e+2, \"tags\": [\"a\", \"b\\n\", \"\\u00e9\"],\n"
    " \"nested\": {\"list\": [1, 2, [3, 4, [5, {\"deep\": true}]]], \"none\": null, \"flag\": false},\n"
    " \"text\": \"the quick brown fox jumps over the lazy dog, \\\"twice\\\"\", \"empty\": {}, \"nil\": []}";

struct scanner {
    const char *at;
    uint32_t strings, numbers, words, depth, deepest;
    int failed;
};

static void scan_string(struct scanner *s)
{
    for (s->at++; *s->at && *s->at != '"'; s->at++)
        if (*s->at == '\\')
            s->at++;
    s->failed |= !*s->at;
    s->at++;
    s->strings++;
}

static int is_number(char c)
{
    return (c >= '0' && c <= '9') || c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E';
}

static NOINLINE void scan(struct scanner *s, char *open)
{
    while (*s->at) {
        char c = *s->at;
        switch (c) {
        case ' ': case '\n': case '\t': case ',': case ':':
            s->at++;
            break;
        case '{': case '[':
            open[s->depth++] = c;
            if (s->depth > s->deepest)
                s->deepest = s->depth;
            s->at++;
            break;
        case '}': case ']':
            if (s->depth == 0 || open[--s->depth] != (c == '}' ? '{' : '['))
                s->failed = 1;
            s->at++;
            break;
        case '"':
            scan_string(s);
            break;
        default:
            if (is_number(c)) {
                while (is_number(*s->at))
                    s->at++;
                s->numbers++;
            } else if (c >= 'a' && c <= 'z') {
                while (*s->at >= 'a' && *s->at <= 'z')
                    s->at++;
                s->words++;
            } else {
                s->failed = 1;
                return;
            }
        }
    }
}

int32_t run(int32_t n)
{
    char open[32];
    uint32_t sum = 0;
    for (int32_t i = 0; i < n; i++) {
        struct scanner s = {.at = document};
        scan(&s, open);
        if (s.failed || s.depth)
            return -1;
        sum = mix(sum, s.strings << 24 ^ s.numbers << 16 ^ s.words << 8 ^ s.deepest ^ i);
    }
    return sum;
}
