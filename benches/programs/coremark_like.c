/* The mixture CoreMark made common for small processors: a linked list that is searched, reversed and sorted,
 * integer matrices, a state machine that scans numbers, and a CRC over everything. */
#include "bench.h"

static uint16_t crc16(uint16_t crc, uint16_t value)
{
    for (int i = 0; i < 16; i++) {
        int carry = (crc ^ value) & 1;
        crc >>= 1;
        value >>= 1;
        if (carry)
            crc ^= 0xa001;
    }
    return crc;
}

struct item {
    struct item *next;
    int16_t value, index;
};

#define ITEMS 64
static struct item items[ITEMS];

typedef int compare_fn(const struct item *, const struct item *);

static int by_value(const struct item *a, const struct item *b)
{
    return a->value - b->value;
}

static int by_index(const struct item *a, const struct item *b)
{
    return a->index - b->index;
}

static NOINLINE struct item *list_reverse(struct item *list)
{
    struct item *reversed = NULL;
    while (list) {
        struct item *next = list->next;
        list->next = reversed;
        reversed = list;
        list = next;
    }
    return reversed;
}

static NOINLINE struct item *list_find(struct item *list, int16_t value)
{
    while (list && (list->value & 0xff) != value)
        list = list->next;
    return list;
}

static struct item *list_merge(struct item *a, struct item *b, compare_fn *compare)
{
    struct item head, *tail = &head;
    while (a && b) {
        struct item **least = compare(a, b) <= 0 ? &a : &b;
        tail = tail->next = *least;
        *least = (*least)->next;
    }
    tail->next = a ? a : b;
    return head.next;
}

static NOINLINE struct item *list_sort(struct item *list, compare_fn *compare)
{
    if (!list || !list->next)
        return list;
    struct item *slow = list, *fast = list->next;
    while (fast && fast->next) {
        slow = slow->next;
        fast = fast->next->next;
    }
    struct item *second = slow->next;
    slow->next = NULL;
    return list_merge(list_sort(list, compare), list_sort(second, compare), compare);
}

static uint16_t bench_list(uint16_t seed)
{
    uint32_t state = seed | 1;
    for (int i = 0; i < ITEMS; i++) {
        items[i].next = i + 1 < ITEMS ? &items[i + 1] : NULL;
        items[i].value = random_next(&state) & 0x7fff;
        items[i].index = i;
    }
    struct item *list = items;
    uint16_t crc = seed;
    for (int i = 0; i < 16; i++) {
        struct item *found = list_find(list, i * 13 & 0xff);
        list = list_reverse(list);
        crc = crc16(crc, found ? found->index : i);
    }
    list = list_sort(list, by_value);
    for (struct item *item = list; item; item = item->next)
        crc = crc16(crc, item->value);
    list = list_sort(list, by_index);
    return crc16(crc, list->value);
}

#define SIZE 12
static int16_t left[SIZE][SIZE], right[SIZE][SIZE];
static int32_t product[SIZE][SIZE];

static NOINLINE uint16_t bench_matrix(uint16_t seed)
{
    for (int i = 0; i < SIZE; i++)
        for (int j = 0; j < SIZE; j++) {
            left[i][j] = seed + i * j;
            right[i][j] = (seed ^ i) - j;
        }
    uint16_t crc = seed;
    for (int i = 0; i < SIZE; i++)
        for (int j = 0; j < SIZE; j++) {
            int32_t sum = 0;
            for (int k = 0; k < SIZE; k++)
                sum += (left[i][k] * right[k][j] >> 2 & 0xf) * (left[i][k] >> 5 & 0x7f);
            product[i][j] = sum;
        }
    for (int i = 0; i < SIZE; i++)
        for (int j = 0; j < SIZE; j++)
            crc = crc16(crc, product[i][j] + product[j][i]);
    return crc;
}

enum state { START, SIGN, INTEGER, POINT, FRACTION, EXPONENT, EXPONENT_SIGN, SCIENTIFIC, INVALID, STATES };

static enum state step(enum state state, char c)
{
    int digit = c >= '0' && c <= '9';
    switch (state) {
    case START: return digit ? INTEGER : c == '+' || c == '-' ? SIGN : c == '.' ? POINT : INVALID;
    case SIGN: return digit ? INTEGER : c == '.' ? POINT : INVALID;
    case INTEGER: return digit ? INTEGER : c == '.' ? POINT : c == 'e' ? EXPONENT : INVALID;
    case POINT: return digit ? FRACTION : INVALID;
    case FRACTION: return digit ? FRACTION : c == 'e' ? EXPONENT : INVALID;
    case EXPONENT: return digit ? SCIENTIFIC : c == '+' || c == '-' ? EXPONENT_SIGN : INVALID;
    case EXPONENT_SIGN: return digit ? SCIENTIFIC : INVALID;
    case SCIENTIFIC: return digit ? SCIENTIFIC : INVALID;
    default: return INVALID;
    }
}

static char text[] = "5012,1234,-874,+122,35.54400,.1234500,-110.700,+0.64400,5.500e+3,-.123e-2,-87e+832,"
                     "+0.6e-12,T0.3e-1F,-T.T++Tq,1T3.4e4z,34.0e-T^,";

static NOINLINE uint16_t bench_state(uint16_t seed)
{
    uint16_t finals[STATES] = {0};
    text[seed % (sizeof text - 1)] ^= seed & 1;
    enum state state = START;
    for (const char *c = text; *c; c++) {
        if (*c == ',') {
            finals[state]++;
            state = START;
        } else {
            state = step(state, *c);
        }
    }
    uint16_t crc = seed;
    for (int i = 0; i < STATES; i++)
        crc = crc16(crc, finals[i]);
    return crc;
}

int32_t run(int32_t n)
{
    uint16_t crc = 0;
    for (int32_t i = 0; i < n; i++) {
        crc = crc16(crc, bench_list(i));
        crc = crc16(crc, bench_matrix(i));
        crc = crc16(crc, bench_state(i));
        DID_WORK();
    }
    return crc;
}
