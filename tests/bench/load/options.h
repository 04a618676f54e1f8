/* SPDX-License-Identifier: BSD-2-Clause */
/* The command line of lb4-load, and how it gives up. */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include "address.h"
#include "clock.h"

#define LIST_MAX 64

/* Requests and replies fit any socket buffer, so that none is ever sent in part. */
#define SIZE_MIN       8
#define SIZE_MAX_BYTES 4096

enum {
	OPTION_LISTEN = 1 << 0,
	OPTION_TO = 1 << 1,
	OPTION_FROM = 1 << 2,
	OPTION_IN_FLIGHT = 1 << 3,
	OPTION_CONNECTIONS = 1 << 4,
	OPTION_SIZE = 1 << 5,
	OPTION_SECONDS = 1 << 6,
	OPTION_WARMUP = 1 << 7,
	OPTION_PID = 1 << 8,
	OPTION_DEVICE = 1 << 9,
};

struct options {
	struct address listen;
	struct address to[LIST_MAX], from[LIST_MAX];
	size_t n_to, n_from;
	size_t count; /* connections at a time */
	size_t size;
	nsec_t seconds, warmup;
	pid_t pids[LIST_MAX];
	size_t n_pids;
	const char *device;
};

/* Dies when an option of `needs` is missing, or one of neither `needs` nor `takes` is there. */
void options_parse(struct options *o, int argc, char **argv, unsigned needs, unsigned takes);

/* Prints the reason and exits with 2. */
void die(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));
