/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A capture of packets that the fast path's programs see, one at a time. Programs put them into a
 * ring of LB4_CAPTURE_RING bytes, from which they are read as somebody asks for them: who reads
 * slowly loses packets, which are counted, and keeps nobody waiting. A capture that nobody asks
 * about ends. Main's alone.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "clock.h"
#include "headers.h"
#include "lb4_capture.h"
#include "prefix.h"

struct capture;
struct daemon;
struct fastpath;
struct live_service;
struct placement;

/* A reader may be silent for so long, beyond what it says itself. */
#define CAPTURE_PATIENCE (10 * NSEC_PER_SEC)

/* What is wanted. */
struct capture_question {
	const struct live_service *service; /* NULL: any */
	struct prefix client;		    /* of 0 bits: any */
	uint16_t port;			    /* the client's; 0: any */
	bool drops;			    /* nothing but what is dropped */
	uint16_t bytes;			    /* of a packet; up to LB4_CAPTURE_BYTES */
};

/* Texts and bytes live until the visit returns. */
struct captured_packet {
	nsec_t wall;
	enum lb4_verdict verdict;
	const char *interface; /* where it came in; NULL: it is gone */
	struct headers headers;
	const char *service, *backend; /* NULL: not known, or none */
	uint32_t size;		       /* of the frame, or of a bundle of segments */
	const uint8_t *bytes;	       /* of the frame as it came in … */
	size_t kept;		       /* … so many */
};

/* Begins. -EBUSY: there is one, -ENODEV: there is no fast path. */
int capture_begin(struct daemon *d, const struct capture_question *q, uint64_t *ret_id);

/*
 * Shows what has come, at most `max` packets; asks to be let live for `patience` from now on. How
 * many they were, and how many were lost since the beginning; -ENOENT: there is no such capture.
 */
typedef void captured_visit(void *context, const struct captured_packet *p);
int capture_read(struct daemon *d, uint64_t id, size_t max, nsec_t patience, captured_visit *visit,
		 void *context, uint64_t *ret_lost);

/* As capture_read(), but nothing more is shown. */
int capture_end(struct daemon *d, uint64_t id, uint64_t *ret_lost);

/* Whether capture_read() would show any. */
bool capture_has_packets(const struct daemon *d);

/* --- For forwarding.c --- */

/* Nothing is captured yet. -errno. */
int capture_new(struct fastpath *f, const struct placement *p, struct capture **ret);

/* Ends what there is. NULL is ignored. */
struct capture *capture_free(struct capture *c);

/* Programs are told that somebody is still there, or it ends. To be called every 100 ms or so. */
void capture_on_time(struct capture *c, nsec_t now);

bool capture_is_active(const struct capture *c);
