/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * Generated from the Rust source and the texts in cbindgen/ by `UPDATE_HEADERS=1 cargo test --test abi_headers`. */

#ifndef PLATFORM_API_EXTENSION_H
#define PLATFORM_API_EXTENSION_H

#include "platform_common.h"

#if !defined(__cplusplus) && !defined(__STDC_NO_ATOMICS__)
#include <stdatomic.h>
#define os_memory_order_acquire memory_order_acquire
#define os_memory_order_release memory_order_release
#define os_memory_order_seq_cst memory_order_seq_cst
#define os_atomic_thread_fence atomic_thread_fence
#define os_atomic_cmpxchg atomic_compare_exchange_strong
#endif

/**
 * What a thread runs. It may end by os_thread_exit, which unwinds.
 */
typedef void *(*thread_start_routine_t)(void *arg);

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * This thread's id.
 */
pthread_t os_self_thread(void);

/**
 * Starts a thread, with a stack of so many bytes: 0, and its id, if it runs. Prints why if the size is none for a stack.
 * os_thread_join gives NULL for it, unless it ends with os_thread_exit.
 *
 * `p_tid` is NULL, which is refused, or may be written; `start` can be called with `arg` on another thread.
 */
int os_thread_create(pthread_t *p_tid,
                     thread_start_routine_t start,
                     void *arg,
                     unsigned int stack_size);

/**
 * As os_thread_create; all threads have the same priority.
 *
 * As for os_thread_create.
 */
int os_thread_create_with_prio(pthread_t *p_tid,
                               thread_start_routine_t start,
                               void *arg,
                               unsigned int stack_size,
                               int prio);

/**
 * Waits until a thread has ended. 0, or an errno.
 *
 * The thread was neither joined nor detached; `retval` is NULL or may be written.
 */
int os_thread_join(pthread_t thread, void **retval);

/**
 * Lets go of a thread, that nobody will join. 0, or an errno.
 *
 * The thread was neither joined nor detached.
 */
int os_thread_detach(pthread_t thread);

/**
 * Ends this thread; os_thread_join gives the value. A jump, so that there is no frame of ours to unwind.
 *
 * The thread is the host's, and runs no guest.
 */
void os_thread_exit(void *retval);

/**
 * Whether code may be written or run, where a system has one state of a thread for that: none that this library runs on.
 */
void os_thread_jit_write_protect_np(bool enabled);

/**
 * Waits so many microseconds: 0, or -1 if a signal came.
 */
int os_usleep(uint32_t usec);

/**
 * Makes a mutex.
 *
 * The argument is NULL or such an object, which is used as POSIX says.
 */
int os_mutex_init(pthread_mutex_t *mutex);

/**
 * Makes a mutex that its owner may lock again.
 *
 * The argument is NULL or memory for one.
 */
int os_recursive_mutex_init(pthread_mutex_t *mutex);

/**
 * Ends a mutex.
 *
 * The argument is NULL or such an object, which is used as POSIX says.
 */
int os_mutex_destroy(pthread_mutex_t *mutex);

/**
 * Locks a mutex.
 *
 * The argument is NULL or such an object, which is used as POSIX says.
 */
int os_mutex_lock(pthread_mutex_t *mutex);

/**
 * Unlocks a mutex.
 *
 * The argument is NULL or such an object, which is used as POSIX says.
 */
int os_mutex_unlock(pthread_mutex_t *mutex);

/**
 * Makes a condition variable.
 *
 * The argument is NULL or such an object, which is used as POSIX says.
 */
int os_cond_init(pthread_cond_t *cond);

/**
 * Ends a condition variable.
 *
 * The argument is NULL or such an object, which is used as POSIX says.
 */
int os_cond_destroy(pthread_cond_t *cond);

/**
 * Wakes one of those that wait.
 *
 * The argument is NULL or such an object, which is used as POSIX says.
 */
int os_cond_signal(pthread_cond_t *cond);

/**
 * Wakes all that wait.
 *
 * The argument is NULL or such an object, which is used as POSIX says.
 */
int os_cond_broadcast(pthread_cond_t *cond);

/**
 * Waits for a condition variable, with the mutex unlocked meanwhile.
 *
 * The arguments are NULL or such objects, which are used as POSIX says.
 */
int os_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex);

/**
 * As `os_cond_wait`, for so many microseconds at most; for ever if all bits are set. ETIMEDOUT if the time was up.
 *
 * As for `os_cond_wait`.
 */
int os_cond_reltimedwait(pthread_cond_t *cond,
                         pthread_mutex_t *mutex,
                         uint64_t useconds);

/**
 * Makes a lock for many readers or one writer.
 *
 * The argument is NULL or such an object, which is used as POSIX says.
 */
int os_rwlock_init(pthread_rwlock_t *lock);

/**
 * Locks for reading.
 *
 * The argument is NULL or such an object, which is used as POSIX says.
 */
int os_rwlock_rdlock(pthread_rwlock_t *lock);

/**
 * Locks for writing.
 *
 * The argument is NULL or such an object, which is used as POSIX says.
 */
int os_rwlock_wrlock(pthread_rwlock_t *lock);

/**
 * Unlocks.
 *
 * The argument is NULL or such an object, which is used as POSIX says.
 */
int os_rwlock_unlock(pthread_rwlock_t *lock);

/**
 * Ends such a lock.
 *
 * The argument is NULL or such an object, which is used as POSIX says.
 */
int os_rwlock_destroy(pthread_rwlock_t *lock);

/**
 * Opens a semaphore by name, or makes it, as sem_open does. NULL, and an errno, if that fails.
 *
 * `name` is a string.
 */
sem_t *os_sem_open(const char *name, int oflags, int mode, int val);

/**
 * Closes a semaphore.
 *
 * The argument is NULL or such an object, which is used as POSIX says.
 */
int os_sem_close(sem_t *sem);

/**
 * Takes one, or waits for it.
 *
 * The argument is NULL or such an object, which is used as POSIX says.
 */
int os_sem_wait(sem_t *sem);

/**
 * Takes one if there is any.
 *
 * The argument is NULL or such an object, which is used as POSIX says.
 */
int os_sem_trywait(sem_t *sem);

/**
 * Gives one.
 *
 * The argument is NULL or such an object, which is used as POSIX says.
 */
int os_sem_post(sem_t *sem);

/**
 * Writes how many there are.
 *
 * The arguments are NULL or such objects, which are used as POSIX says.
 */
int os_sem_getvalue(sem_t *sem, int *sval);

/**
 * Takes a semaphore's name away: 0, or -1 and an errno.
 *
 * `name` is a string.
 */
int os_sem_unlink(const char *name);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* PLATFORM_API_EXTENSION_H */
