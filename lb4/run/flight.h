/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One probe under way: socket, connect, send and receive until the outcome is known; where the
 * protocol wants it say goodbye and linger until the peer has finished; close. Or a program, whose
 * output is read until it has ended.
 *
 * One operation is in the ring for a flight, but while an event is handled. What ends it early
 * (timeout, target gone) cancels that operation, and the descriptor is closed only when the
 * completion has come; a program is killed, and its end awaited. Knows no time and no verdicts: it
 * tells its prober by events.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "child.h"
#include "probe.h"
#include "ring.h"
#include "slots.h"

struct check_ports;
struct watch;

enum flight_operation {
	FLIGHT_NONE,
	FLIGHT_CONNECT,
	FLIGHT_SEND,
	FLIGHT_RECEIVE,
	FLIGHT_CHILD, /* polls what the program does */
};

enum flight_event {
	FLIGHT_GOES_ON,
	FLIGHT_GOOD,	 /* the outcome; to be followed by flight_finish() */
	FLIGHT_BAD,	 /* the same, see `error` */
	FLIGHT_HAMPERED, /* this side lacks something, see `error_number`; as above */
	FLIGHT_OVER,	 /* nothing is in the ring: flight_deinit() */
};

struct flight {
	struct slot slot;
	struct ring *ring;
	struct check_ports *ports;
	struct watch *watch;
	int fd;				 /* of the socket; -1: it is a program */
	struct child child;		 /* the program */
	enum flight_operation operation; /* in the ring */
	int entry; /* of a check by the path of clients' packets; −1: none */
	bool connected;
	bool plain;	/* only whether the backend accepts a connection, straight */
	bool lingering; /* the outcome is known and good, the peer still talks */
	bool cancelled; /* the completion is awaited, and nothing else */
	size_t n_lingered;
	size_t n_sending; /* bytes of what is being sent */
	struct sockaddr_storage address;
	int error_number; /* -errno */
	char error[PROBE_ERROR_MAX];
};

/*
 * Begins a probe of `w`. FLIGHT_GOES_ON, or what it ended with at once: FLIGHT_HAMPERED, and of a
 * program that cannot be run FLIGHT_BAD. To be deinited in all cases, before `ports`.
 */
enum flight_event flight_init(struct flight *f, struct ring *ring, struct check_ports *ports,
			      struct watch *w);

/* The same of a plain connection to the watch's address: FLIGHT_GOOD as soon as there is one. */
enum flight_event flight_init_plain(struct flight *f, struct ring *ring, struct watch *w);
void flight_deinit(struct flight *f);

/* After FLIGHT_BAD: whether there was no connection at all. */
bool flight_was_unconnected(const struct flight *f);

/* Whether a completion of `token` is what the flight waits for. */
bool flight_expects(const struct flight *f, uint64_t token);

/* Of an expected completion. The caller returns its buffer. */
enum flight_event flight_on_completion(struct flight *f, const struct ring_completion *c);

/* The time set for the flight, or for its lingering, is over. */
enum flight_event flight_on_deadline(struct flight *f);

/* After an outcome. FLIGHT_OVER, or FLIGHT_GOES_ON when a completion has to come first. */
enum flight_event flight_finish(struct flight *f, bool linger);

/* As flight_finish() without lingering, at any time. */
enum flight_event flight_cancel(struct flight *f);
