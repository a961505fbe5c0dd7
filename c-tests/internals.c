/* Helpers that WAMR's library leaks, as hosts made from its samples use them, with the headers they include. */
#include <errno.h>

#include "bh_getopt.h"
#include "bh_platform.h"
#include "bh_read_file.h"

#include "check.h"

TEST(copies_have_limits)
{
    char to[8] = "abcdefg";
    CHECK_INT(b_memcpy_s(to, sizeof to, "xyz", 3), 0);
    CHECK_STR(to, "xyzdefg");
    CHECK_INT(b_memmove_s(to + 1, 6, to, 6), 0);
    CHECK_STR(to, "xxyzdef");
    CHECK_INT(b_memcpy_s(to, sizeof to, "123456789", 9), -1);
    CHECK_STR(to, "");
    CHECK_INT(b_memcpy_s(NULL, 0, NULL, 0), 0);
    CHECK_INT(b_memcpy_s(NULL, 4, "x", 1), -1);
    CHECK_INT(b_memcpy_s(to, 4, NULL, 1), -1);
    CHECK_INT(b_memcpy_wa(to, sizeof to, "word", 5), 0);
    CHECK_STR(to, "word");
    CHECK_INT(b_strcat_s(to, sizeof to, "123"), 0);
    CHECK_STR(to, "word123");
    CHECK_INT(b_strcat_s(to, sizeof to, "4"), -1);
    CHECK_INT(b_strcat_s(to, 3, ""), -1);
    CHECK_INT(b_strcpy_s(to, sizeof to, "12345678"), -1);
    CHECK_STR(to, "word123");
    CHECK_INT(b_strcpy_s(to, sizeof to, "1234567"), 0);
    CHECK_INT(b_strcpy_s(NULL, 8, "x"), -1);
    CHECK_INT(b_strcpy_s(to, 8, NULL), -1);
    bh_memcpy_s(to, sizeof to, "macro", 6);
    CHECK_STR(to, "macro");

    char *copy = bh_strdup(to), *other = wa_strdup(to);
    CHECK_STR(copy, "macro");
    CHECK_STR(other, "macro");
    wasm_runtime_free(copy);
    WA_FREE(other);
    CHECK(bh_strdup(NULL) == NULL && wa_strdup(NULL) == NULL);
}

TEST(messages_have_a_level_and_a_place)
{
    check_catch();
    LOG_ERROR("%s %d", "number", 7);
    const char *caught = check_caught();
    CHECK_HAS(caught, "]: number 7\n");
    CHECK_INT(caught[0], '[');
    check_catch();
    bh_log(BH_LOG_LEVEL_WARNING, "file.c", 12, "%.1f %c %ld", 1.5, 'x', 1234567890123L);
    CHECK_HAS(check_caught(), "]: file.c, line 12, 1.5 x 1234567890123\n");
    check_catch();
    LOG_VERBOSE("%s", "not shown");
    CHECK_STR(check_caught(), "");
    bh_log_set_verbose_level(BH_LOG_LEVEL_VERBOSE);
    check_catch();
    LOG_VERBOSE("%s", "shown");
    bh_print_time("stage");
    bh_print_proc_mem("here");
    LOG_PROC_MEM();
    caught = check_caught();
    CHECK_HAS(caught, "shown\n");
    CHECK_HAS(caught, "stage                                            time of last stage: ");
    CHECK_HAS(caught, "here\n===== memory usage =====\nVmRSS:");
    CHECK_HAS(caught, "[MEM] messages_have_a_level_and_a_place(...) L");
    bh_log_set_verbose_level(BH_LOG_LEVEL_WARNING);
    check_catch();
    bh_print_time("stage");
    bh_print_proc_mem("here");
    CHECK_STR(check_caught(), "");
}

static int
print_list(const char *format, ...)
{
    va_list values;
    va_start(values, format);
    int printed = os_vprintf(format, values);
    va_end(values);
    return printed;
}

TEST(printing)
{
    check_catch();
    CHECK_INT(os_printf("%s %d %.2f\n", "one", 2, 3.0), 11);
    CHECK_INT(print_list("%d %d %d %d %d %d %d %d %g\n", 1, 2, 3, 4, 5, 6, 7, 8, 9.5), 20);
    CHECK_STR(check_caught(), "one 2 3.00\n1 2 3 4 5 6 7 8 9.5\n");
}

TEST(assertions_that_hold_do_nothing)
{
    bh_assert_internal(1, NULL, 0, NULL);
    bh_assert(1);
    bh_static_assert(sizeof(uint64) == 8);
}

TEST(memory)
{
    size_t size = 3 * 4096 - 1;
    char *pages = os_mmap(NULL, size, MMAP_PROT_READ | MMAP_PROT_WRITE, MMAP_MAP_NONE, os_get_invalid_handle());
    CHECK(pages != NULL && pages[0] == 0 && pages[size] == 0);
    memset(pages, 1, size);
    CHECK_INT(os_mprotect(pages, size, MMAP_PROT_READ), 0);
    CHECK_INT(pages[size - 1], 1);
    CHECK_INT(os_mprotect(pages, size, MMAP_PROT_READ | MMAP_PROT_WRITE), 0);
    pages = os_mremap(pages, size, 64 * 4096);
    CHECK(pages != NULL && pages[0] == 1 && pages[63 * 4096] == 0);
    os_munmap(pages, 64 * 4096);
    os_munmap(NULL, 4096);
    check_catch();
    CHECK(os_mmap(NULL, SIZE_MAX, MMAP_PROT_READ, MMAP_MAP_NONE, os_get_invalid_handle()) == NULL);
    CHECK_HAS(check_caught(), "mmap failed");
#ifdef __x86_64__
    char *low = os_mmap(NULL, 4096, MMAP_PROT_READ, MMAP_MAP_32BIT, os_get_invalid_handle());
    CHECK(low != NULL && (uintptr_t)low < 1UL << 31);
    os_munmap(low, 4096);
#endif

    char *block = os_malloc(10);
    strcpy(block, "content");
    block = os_realloc(block, 100000);
    CHECK_STR(block, "content");
    os_free(block);
    os_dcache_flush();
    os_icache_flush(&size, sizeof size);
    os_thread_jit_write_protect_np(true);
}

static void *
count(void *arg)
{
    int *counter = arg;
    uint8 here;
    uint8 *boundary = os_thread_get_stack_boundary();
    if (boundary && boundary < &here && (size_t)(&here - boundary) < 1024 * 1024)
        __atomic_add_fetch(counter, 1, __ATOMIC_SEQ_CST);
    os_usleep(1000);
    return counter;
}

static void *
leave(void *arg)
{
    os_thread_exit(arg);
    return NULL;
}

TEST(threads)
{
    int counter = 0;
    korp_tid threads[4];
    void *result = &counter;
    for (int i = 0; i < 4; i++) {
        CHECK_INT(i % 2 ? os_thread_create_with_prio(&threads[i], count, &counter, 256 * 1024, 1)
                        : os_thread_create(&threads[i], count, &counter, 256 * 1024),
                  BHT_OK);
    }
    for (int i = 0; i < 4; i++)
        CHECK_INT(os_thread_join(threads[i], &result), 0);
    CHECK_INT(counter, 4);
    CHECK(result == NULL);
    CHECK_INT(os_thread_create(&threads[0], leave, &counter, 256 * 1024), BHT_OK);
    CHECK_INT(os_thread_join(threads[0], &result), 0);
    CHECK(result == &counter);
    CHECK_INT(os_thread_create(&threads[0], count, &counter, 256 * 1024), BHT_OK);
    CHECK_INT(os_thread_detach(threads[0]), 0);
    while (__atomic_load_n(&counter, __ATOMIC_SEQ_CST) < 5)
        os_usleep(1000);
    CHECK(os_self_thread() == pthread_self());
    check_catch();
    CHECK_INT(os_thread_create(&threads[0], count, &counter, 1), BHT_ERROR);
    CHECK_HAS(check_caught(), "Invalid thread stack size 1.");
    CHECK_INT(os_thread_create(NULL, count, NULL, 65536), BHT_ERROR);
    CHECK_INT(os_thread_create(&threads[0], NULL, NULL, 65536), BHT_ERROR);
}

static struct {
    korp_mutex mutex;
    korp_cond cond;
    korp_rwlock rwlock;
    int done;
} shared;

static void *
signals(void *arg)
{
    os_mutex_lock(&shared.mutex);
    shared.done = 1;
    if (arg)
        os_cond_broadcast(&shared.cond);
    else
        os_cond_signal(&shared.cond);
    os_mutex_unlock(&shared.mutex);
    return NULL;
}

TEST(locks)
{
    CHECK_INT(os_mutex_init(&shared.mutex), BHT_OK);
    CHECK_INT(os_cond_init(&shared.cond), BHT_OK);
    for (int broadcast = 0; broadcast < 2; broadcast++) {
        korp_tid thread;
        os_mutex_lock(&shared.mutex);
        shared.done = 0;
        CHECK_INT(os_cond_reltimedwait(&shared.cond, &shared.mutex, 2000), ETIMEDOUT);
        CHECK_INT(os_thread_create(&thread, signals, broadcast ? &shared : NULL, 65536), BHT_OK);
        while (!shared.done) {
            if (broadcast)
                CHECK_INT(os_cond_wait(&shared.cond, &shared.mutex), BHT_OK);
            else
                CHECK_INT(os_cond_reltimedwait(&shared.cond, &shared.mutex, BHT_WAIT_FOREVER), BHT_OK);
        }
        CHECK_INT(os_mutex_unlock(&shared.mutex), BHT_OK);
        CHECK_INT(os_thread_join(thread, NULL), 0);
    }
    CHECK_INT(os_cond_destroy(&shared.cond), BHT_OK);
    CHECK_INT(os_mutex_destroy(&shared.mutex), BHT_OK);
    CHECK_INT(os_recursive_mutex_init(&shared.mutex), BHT_OK);
    CHECK_INT(os_mutex_lock(&shared.mutex), BHT_OK);
    CHECK_INT(os_mutex_lock(&shared.mutex), BHT_OK);
    CHECK_INT(os_mutex_unlock(&shared.mutex), BHT_OK);
    CHECK_INT(os_mutex_unlock(&shared.mutex), BHT_OK);
    CHECK_INT(os_mutex_unlock(&shared.mutex), BHT_ERROR);
    CHECK_INT(os_mutex_destroy(&shared.mutex), BHT_OK);
    CHECK_INT(os_mutex_lock(NULL), BHT_ERROR);
    os_atomic_thread_fence(os_memory_order_seq_cst);

    CHECK_INT(os_rwlock_init(&shared.rwlock), BHT_OK);
    CHECK_INT(os_rwlock_rdlock(&shared.rwlock), BHT_OK);
    CHECK_INT(os_rwlock_rdlock(&shared.rwlock), BHT_OK);
    CHECK_INT(os_rwlock_unlock(&shared.rwlock), BHT_OK);
    CHECK_INT(os_rwlock_unlock(&shared.rwlock), BHT_OK);
    CHECK_INT(os_rwlock_wrlock(&shared.rwlock), BHT_OK);
    CHECK_INT(os_rwlock_unlock(&shared.rwlock), BHT_OK);
    CHECK_INT(os_rwlock_destroy(&shared.rwlock), BHT_OK);
}

TEST(semaphores)
{
    char name[64];
    int value = -1;
    snprintf(name, sizeof name, "/check-internals-%d", (int)getpid());
    CHECK(os_sem_open(name, 0, 0, 0) == NULL);
    korp_sem *sem = os_sem_open(name, O_CREAT | O_EXCL, 0600, 1);
    CHECK(sem != NULL);
    CHECK_INT(os_sem_unlink(name), 0);
    CHECK_INT(os_sem_wait(sem), 0);
    CHECK_INT(os_sem_trywait(sem), -1);
    CHECK_INT(os_sem_post(sem), 0);
    CHECK_INT(os_sem_getvalue(sem, &value), 0);
    CHECK_INT(value, 1);
    CHECK_INT(os_sem_trywait(sem), 0);
    CHECK_INT(os_sem_close(sem), 0);
}

TEST(time_goes_on)
{
    uint64 before = os_time_get_boot_us(), used = os_time_thread_cputime_us();
    uint32 clock = (uint32)bh_get_tick_ms();
    CHECK_INT(os_usleep(20 * 1000), 0);
    CHECK(os_time_get_boot_us() - before >= 20 * 1000);
    CHECK(bh_get_elpased_ms(&clock) >= 19);
    CHECK(bh_get_elpased_ms(&clock) < 19);
    while (os_time_thread_cputime_us() == used)
        continue;
}

struct item {
    bh_list_link link;
    int value;
};

TEST(lists)
{
    bh_list list;
    struct item items[3] = { { .value = 0 }, { .value = 1 }, { .value = 2 } };
    CHECK_INT(bh_list_init(&list), BH_LIST_SUCCESS);
    CHECK(bh_list_first_elem(&list) == NULL);
    for (int i = 0; i < 3; i++)
        CHECK_INT(bh_list_insert(&list, &items[i]), BH_LIST_SUCCESS);
    CHECK_INT(bh_list_length(&list), 3);
    CHECK_INT(bh_list_remove(&list, &items[1]), BH_LIST_SUCCESS);
    CHECK_INT(bh_list_remove(&list, &items[1]), BH_LIST_ERROR);
    CHECK(bh_list_first_elem(&list) == &items[2]);
    CHECK(bh_list_elem_next(&items[2]) == &items[0]);
    CHECK(bh_list_elem_next(&items[0]) == NULL);
    CHECK_INT(bh_list_length(&list), 2);
    CHECK_INT(bh_list_init(NULL), BH_LIST_ERROR);
    CHECK_INT(bh_list_insert(&list, NULL), BH_LIST_ERROR);
    CHECK(bh_list_length(NULL) == 0 && bh_list_first_elem(NULL) == NULL && bh_list_elem_next(NULL) == NULL);
}

TEST(vectors)
{
    for (int use_lock = 0; use_lock < 2; use_lock++) {
        Vector vector;
        uint64 x;
        CHECK(bh_vector_init(&vector, use_lock ? 0 : 1, sizeof x, use_lock));
        for (x = 0; x < 100; x++)
            CHECK(bh_vector_append(&vector, &x));
        CHECK_INT(bh_vector_size(&vector), 100);
        x = 1000;
        CHECK(bh_vector_insert(&vector, 50, &x));
        x = 2000;
        CHECK(bh_vector_set(&vector, 0, &x));
        CHECK(bh_vector_get(&vector, 0, &x) && x == 2000);
        CHECK(bh_vector_get(&vector, 49, &x) && x == 49);
        CHECK(bh_vector_get(&vector, 50, &x) && x == 1000);
        CHECK(bh_vector_get(&vector, 51, &x) && x == 50);
        CHECK(bh_vector_remove(&vector, 50, &x) && x == 1000);
        CHECK(bh_vector_remove(&vector, 0, NULL));
        CHECK(bh_vector_get(&vector, 98, &x) && x == 99);
        CHECK_INT(bh_vector_size(&vector), 99);
        check_catch();
        CHECK(!bh_vector_get(&vector, 99, &x) && !bh_vector_set(&vector, 99, &x));
        CHECK(!bh_vector_insert(&vector, 99, &x) && !bh_vector_remove(&vector, 99, &x));
        CHECK_HAS(check_caught(), "Remove vector elem failed: invalid elem index.");
        CHECK(bh_vector_destroy(&vector));
        CHECK(vector.data == NULL && vector.max_elems == 0);
        check_catch();
        CHECK(!bh_vector_init(&vector, SIZE_MAX, 8, false) && !bh_vector_init(NULL, 1, 1, false));
        CHECK(!bh_vector_destroy(NULL) && bh_vector_size(NULL) == 0);
        check_caught();
    }
}

static uint32
hash(const void *key)
{
    return (uint32)strlen(key);
}

static bool
equal(void *one, void *other)
{
    return strcmp(one, other) == 0;
}

static void
sum(void *key, void *value, void *total)
{
    *(long *)total += (long)strlen(key) * (long)(intptr_t)value;
}

TEST(hash_maps)
{
    for (int use_lock = 0; use_lock < 2; use_lock++) {
        HashMap *map = bh_hash_map_create(2, use_lock, hash, equal, wasm_runtime_free, NULL);
        CHECK(map != NULL);
        const char *words[] = { "a", "b", "cc", "dd", "eeeee", "ffffff" };
        for (intptr_t i = 0; i < 6; i++)
            CHECK(bh_hash_map_insert(map, wa_strdup(words[i]), (void *)(i + 1)));
        check_catch();
        CHECK(!bh_hash_map_insert(map, "dd", NULL));
        CHECK_HAS(check_caught(), "HashMap insert elem failed: duplicated key found.");
        CHECK_INT((intptr_t)bh_hash_map_find(map, "dd"), 4);
        CHECK(bh_hash_map_find(map, "d") == NULL);
        void *key = NULL, *value = NULL;
        CHECK(bh_hash_map_update(map, "dd", (void *)40, &value) && value == (void *)4);
        CHECK(!bh_hash_map_update(map, "d", (void *)40, &value));
        CHECK(bh_hash_map_remove(map, "cc", &key, &value) && value == (void *)3);
        CHECK_STR(key, "cc");
        wasm_runtime_free(key);
        CHECK(!bh_hash_map_remove(map, "cc", NULL, NULL));
        long total = 0;
        CHECK(bh_hash_map_traverse(map, sum, &total));
        CHECK_INT(total, 1 + 2 + 2 * 40 + 5 * 5 + 6 * 6);
        CHECK(bh_hash_map_get_struct_size(map) > 4 * sizeof(void *));
        CHECK(bh_hash_map_get_elem_struct_size() >= 3 * sizeof(void *));
        CHECK(bh_hash_map_destroy(map));
    }
    check_catch();
    CHECK(bh_hash_map_create(HASH_MAP_MAX_SIZE + 1, false, hash, equal, NULL, NULL) == NULL);
    CHECK(bh_hash_map_create(4, false, NULL, equal, NULL, NULL) == NULL);
    CHECK(!bh_hash_map_destroy(NULL) && !bh_hash_map_traverse(NULL, sum, NULL));
    check_caught();
}

static int cleaned;

static void
clean(void *body)
{
    cleaned += *(int *)body;
}

static void
handle(void *message, void *queue)
{
    bh_message_t msg = message;
    if (bh_message_type(msg) == 7)
        bh_queue_exit_loop_run(queue);
    else
        cleaned += (int)bh_message_payload_len(msg);
}

static void *
posts(void *queue)
{
    for (int i = 0; i < 10; i++) {
        char *body = wasm_runtime_malloc(10);
        bh_post_msg(queue, 1, body, 10);
        os_usleep(100);
    }
    bh_post_msg(queue, 7, NULL, 0);
    return NULL;
}

TEST(queues)
{
    int body = 3;
    bh_queue *queue = bh_queue_create();
    CHECK(bh_get_msg(queue, 0) == NULL);
    CHECK(bh_get_msg(queue, 1000) == NULL);
    for (int i = 0; i < 50; i++)
        CHECK(bh_post_msg2(queue, bh_new_msg((unsigned short)i, &body, 4, (void *)clean)));
    CHECK(!bh_post_msg2(queue, bh_new_msg(1, &body, 4, (void *)clean)));
    CHECK_INT(cleaned, 3);
    CHECK_INT(bh_queue_get_message_count(queue), 50);
    bh_message_t msg = bh_get_msg(queue, BHT_WAIT_FOREVER);
    CHECK(msg != NULL && bh_message_type(msg) == 0 && bh_message_payload_len(msg) == 4);
    CHECK(bh_message_payload(msg) == (char *)&body);
    bh_free_msg(msg);
    CHECK_INT(cleaned, 6);
    bh_queue_destroy(queue);
    CHECK_INT(cleaned, 6 + 49 * 3);

    korp_tid thread;
    cleaned = 0;
    queue = bh_queue_create();
    CHECK_INT(os_thread_create(&thread, posts, queue, 65536), BHT_OK);
    bh_queue_enter_loop_run(queue, handle, queue);
    CHECK_INT(os_thread_join(thread, NULL), 0);
    CHECK_INT(cleaned, 100);
    bh_queue_destroy(queue);
    bh_queue_destroy(NULL);
    CHECK_INT(bh_queue_get_message_count(NULL), 0);
}

TEST(files)
{
    uint32 size = 0;
    char *text = bh_read_file_to_buffer("internals.c", &size);
    CHECK(text != NULL && size > 1000);
    CHECK(strncmp(text, "/* Helpers", 10) == 0);
    BH_FREE(text);
}

int main(void)
{
    if (!wasm_runtime_init()) {
        return 2;
    }
    RUN(copies_have_limits);
    RUN(messages_have_a_level_and_a_place);
    RUN(printing);
    RUN(assertions_that_hold_do_nothing);
    RUN(memory);
    RUN(threads);
    RUN(locks);
    RUN(semaphores);
    RUN(time_goes_on);
    RUN(lists);
    RUN(vectors);
    RUN(hash_maps);
    RUN(queues);
    RUN(files);
    wasm_runtime_destroy();
    return check_result();
}
