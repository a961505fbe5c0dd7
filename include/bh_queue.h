/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * Generated from the Rust source and the texts in cbindgen/ by `UPDATE_HEADERS=1 cargo test --test abi_headers`. */

#ifndef _BH_QUEUE_H
#define _BH_QUEUE_H

#include "platform_common.h"

/* Messages between threads. */

typedef struct bh_queue bh_queue;
typedef struct bh_queue_node *bh_message_t;

/**
 * Handles a message.
 */
typedef void (*bh_queue_handle_msg_callback)(void *message, void *arg);

/**
 * Frees a message's body.
 */
typedef void (*bh_msg_cleaner)(void *msg);

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * Makes a queue.
 */
bh_queue *bh_queue_create(void);

/**
 * Ends a queue, with the messages in it.
 *
 * `queue` is NULL, or a live one that nobody else uses.
 */
void bh_queue_destroy(bh_queue *queue);

/**
 * A message's body.
 *
 * The message is alive.
 */
char *bh_message_payload(bh_message_t message);

/**
 * Length of a message's body, as it was given.
 *
 * The message is alive.
 */
uint32_t bh_message_payload_len(bh_message_t message);

/**
 * A message's tag.
 *
 * The message is alive.
 */
int bh_message_type(bh_message_t message);

/**
 * Makes a message. What frees its body, with it, is `handler`, or wasm_runtime_free if that is NULL and neither the
 * body nor the length is 0.
 *
 * `handler` is NULL or a function that can be called with the body; without one, a body with a length is wasm_runtime_malloc's.
 */
bh_message_t bh_new_msg(unsigned short tag,
                        void *body,
                        unsigned int len,
                        void *handler);

/**
 * Frees a message and its body.
 *
 * The message is alive, and in no queue.
 */
void bh_free_msg(bh_message_t msg);

/**
 * Makes a message and puts it into a queue. False, with the message and its body freed, if the queue is full.
 *
 * The queue is alive; the body as for bh_new_msg.
 */
bool bh_post_msg(bh_queue *queue,
                 unsigned short tag,
                 void *body,
                 unsigned int len);

/**
 * Puts a message into a queue. False, with the message freed, if the queue is full.
 *
 * Both are alive, and the message is in no queue.
 */
bool bh_post_msg2(bh_queue *queue, bh_message_t msg);

/**
 * The next message, which the caller owns then. Waits for one for so many microseconds, for ever if all bits are set. NULL
 * if there is none.
 *
 * The queue is alive.
 */
bh_message_t bh_get_msg(bh_queue *queue,
                        uint64_t timeout_us);

/**
 * How many messages wait in a queue; NULL has none.
 *
 * `queue` is NULL or alive.
 */
unsigned int bh_queue_get_message_count(bh_queue *queue);

/**
 * Gives messages to a function, and frees them, until bh_queue_exit_loop_run.
 *
 * `queue` is NULL, which does nothing, or alive; the function can be called with `arg`.
 */
void bh_queue_enter_loop_run(bh_queue *queue, bh_queue_handle_msg_callback handle_cb, void *arg);

/**
 * Ends bh_queue_enter_loop_run, for good.
 *
 * `queue` is NULL, which does nothing, or alive.
 */
void bh_queue_exit_loop_run(bh_queue *queue);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* _BH_QUEUE_H */
