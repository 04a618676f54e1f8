/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The preface: a client's first bytes, read before a backend is chosen, since they say who the
 * client is or what it wants. They are held in one buffer of the ring; what a stage does not
 * consume is the first that the backend gets. Stages are read in the order of the table in
 * preface.c, each within its own limits of bytes and time.
 */
#pragma once

#include "connection.h"
#include "end_reason.h"

enum preface_result {
	PREFACE_MORE,	 /* what came so far says nothing yet */
	PREFACE_DONE,	 /* the stage is over; *ret_consumed bytes are done with */
	PREFACE_REFUSED, /* the connection ends for *ret_reason */
};

struct preface_stage {
	const char *name;
	/* Whether this connection has it, and until when it may take. */
	bool (*wanted)(const struct connection *c, const struct snapshot_service *service,
		       nsec_t *ret_by);
	/*
	 * Judges the `size` bytes that wait. `service` is that of the present snapshot. A stage
	 * may change c->service.
	 */
	enum preface_result (*read)(struct connection *c, const struct snapshot_service *service,
				    const uint8_t *data, size_t size, uint32_t *ret_consumed,
				    enum end_reason *ret_reason);
	/* Whether the connection goes on without it when its time is over; NULL: it does not. */
	bool (*passes)(const struct snapshot_service *service);
	enum end_reason timed_out; /* else it ends so */
};

/* The first of the stages that the connection has, or connecting_begin(). */
void preface_begin(struct connection *c);

/* The time of the stage under way is over. */
void preface_expire(struct connection *c);

/*
 * For a stage that finds whose the connection is: it belongs to `to` from now on, a service of the
 * same snapshot, as if it had been accepted there. Returns what the stage then returns.
 */
enum preface_result preface_hand_over(struct connection *c, const struct snapshot_service *from,
				      const struct snapshot_service *to,
				      enum end_reason *ret_reason);

/* stage_proxy.c, stage_hello.c */
extern const struct preface_stage stage_proxy, stage_hello;
