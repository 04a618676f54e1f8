/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The content of a check: what is said after connecting, and what the answer amounts to. A state
 * machine over bytes; who owns the connection (run/) feeds it. What it keeps of an answer is
 * bounded, and so is what it reads of one.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "address.h"
#include "config.h"

#define PROBE_ERROR_MAX	 160   /* bytes of an error text, its NUL included */
#define PROBE_HTTP_MAX	 16384 /* bytes read of an HTTP answer */
#define PROBE_EXPECT_MAX 4096  /* bytes in which `expect` must be found */

enum probe_outcome {
	PROBE_MORE, /* undecided: feed the next bytes, or tell the end */
	PROBE_SEND, /* undecided: send the next probe_request(), then as PROBE_MORE */
	PROBE_OK,
	PROBE_FAILED, /* see probe_error() */
};

struct probe;

/* `check` must outlive the probe and have a kind other than CHECK_NONE. -ENOMEM. */
int probe_new(const struct check_config *check, const struct address *address, struct probe **ret);
struct probe *probe_free(struct probe *p);

/* Begins anew: a connection is about to be made. Call before anything below. */
void probe_begin(struct probe *p);

/*
 * What to send once connected, and after PROBE_SEND; stays as it is until bytes come. *ret_size is
 * 0 when it is nothing, which is so for servers that speak first.
 */
const void *probe_request(const struct probe *p, size_t *ret_size);

/* Connected, and the request has been sent. */
enum probe_outcome probe_on_sent(struct probe *p);

/* Bytes came; `size` > 0. */
enum probe_outcome probe_feed(struct probe *p, const void *data, size_t size);

/* The peer said FIN before the outcome was known. */
enum probe_outcome probe_on_end(struct probe *p);

/* Bytes of the answer so far. */
size_t probe_received(const struct probe *p);

/*
 * After PROBE_OK: the peer is still talking, and closes when it has finished. Closing right away
 * would be a reset to it, which servers log. What to send before that, so that it does close, is
 * the farewell: nothing when *ret_size is 0.
 */
bool probe_lingers(const struct probe *p);
const void *probe_farewell(const struct probe *p, size_t *ret_size);

/* Of CHECK_EXEC: what to run with which environment, each ending with NULL. Nothing is sent; the
 * program's output is fed, and probe_on_exit() gives the outcome. */
char *const *probe_program(const struct probe *p);
char *const *probe_environment(const struct probe *p);

/* The program has ended, by `signal` unless that is 0. */
enum probe_outcome probe_on_exit(struct probe *p, int status, int signal);

/* Why it failed: one printable line. */
const char *probe_error(const struct probe *p);
