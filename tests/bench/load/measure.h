/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The measured window: it opens after the warm-up, and what ends within it counts. Errors count at
 * any time, also before and while it is still being opened.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "clock.h"
#include "histogram.h"
#include "sample.h"

/* A client that sees so many errors gives up: it would only measure them. */
#define ERRORS_MAX 1000

struct options;

enum window {
	WINDOW_BEFORE,
	WINDOW_OPEN,
	WINDOW_OVER,
};

struct measure {
	const struct options *options;
	enum window window;
	nsec_t opens_at, closes_at;
	uint64_t errors;
	struct sample begin, end;
	struct histogram latency;
};

extern struct measure measure;

/* The warm-up begins now. */
void measure_start(const struct options *o);

/* Once a round of the loop: opens and closes the window. False when it is over. */
bool measure_goes_on(nsec_t now);

/* For epoll_wait: milliseconds until the window wants to be opened or closed. */
int measure_wait_ms(nsec_t now);

static inline void measure_operation(nsec_t latency)
{
	if (measure.window == WINDOW_OPEN)
		histogram_add(&measure.latency, latency);
}

/* `error` is an errno, or 0. The first few are told on standard error. */
void measure_error(const char *what, int error);

/* One line of JSON; returns the exit status. `starved`: connections without any operation. */
int measure_print(uint64_t starved);
