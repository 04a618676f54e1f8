/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What of lb4 outlives it: the content of the state file. What operators and health have said of the
 * backends, and how what runs differs from the configuration file. No connections, no counters.
 *
 * In memory times are on CLOCK_MONOTONIC. In the text they are on CLOCK_BOOTTIME of the boot that
 * the text names, and it says what the wall clock showed, by which a later boot finds its way.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "address.h"
#include "clock.h"
#include "config.h"
#include "health.h"
#include "pool.h"

/* What 50,000 backends take is less than that. */
#define STATE_TEXT_MAX (16u << 20)

/* Goes up when an lb4 that does not know the new text would misread it. Fields may come without. */
#define STATE_VERSION 1

/* How every such text begins, of whatever version. */
#define STATE_MARK "{\"lb4_state\":"

#define STATE_BOOT_ID_MAX 40
#define STATE_DIGEST_MAX  40
#define STATE_WHY_MAX	  160

/* By the last event about a backend's state. */
enum backend_told {
	TOLD_IN,
	TOLD_EJECTED,
	TOLD_BRAKED,
};

/* The clocks at one moment. */
struct state_clocks {
	char boot_id[STATE_BOOT_ID_MAX];
	nsec_t now;  /* monotonic; not in the text */
	nsec_t boot; /* CLOCK_BOOTTIME */
	nsec_t wall;
};

/* Times are 0 where there is none. */
struct state_backend {
	char name[NAME_LENGTH_MAX + 1];
	char address[ADDRESS_TEXT_MAX];

	/* By operators. */
	enum admin_state admin;
	nsec_t drain_begun, drain_deadline;
	bool drain_watched; /* that it has finished is still to be told */
	bool drifted;	    /* runs otherwise than the file has it, namely so: */
	bool backup;
	uint32_t weight, max_connections;

	/* By health, and what follows from it. */
	struct health_kept health;
	enum backend_told told;
	nsec_t out_since;
	bool left; /* its connections were told to fare as on_down says … */
	nsec_t down_deadline;
	bool fit, ramping; /* as in struct pool_member */
	nsec_t ramp_at;
};

struct state_removed {
	char name[NAME_LENGTH_MAX + 1];
};

struct state_service {
	char name[NAME_LENGTH_MAX + 1];
	bool brake_told, backups_told, deserted_told;
	bool on_backups, rebuilt; /* as in struct pool … */
	nsec_t out_since;
	struct state_backend *backends; /* in the order in which they run */
	size_t n_backends;
	struct state_removed *removed; /* that the file has */
	size_t n_removed;
};

struct state {
	char digest[STATE_DIGEST_MAX]; /* of the configuration file that was loaded */
	bool fastpath_off;	       /* by an operator */
	struct state_service *services;
	size_t n_services;
};

struct state *state_new(size_t n_services);
struct state *state_free(struct state *s);
void state_freep(struct state **s);

/* Makes room for so many; -ENOMEM. */
int state_service_reserve(struct state_service *s, size_t n_backends, size_t n_removed);

/* NULL when there is none of that name. The search begins at `hint`, where the last one ended. */
const struct state_service *state_find_service(const struct state *s, const char *name);
const struct state_backend *state_find_backend(const struct state_service *s, const char *name,
					       size_t *hint);
bool state_is_removed(const struct state_service *s, const char *name);

void state_digest(const char *text, size_t size, char ret[STATE_DIGEST_MAX]);

/* 0 and an allocated text, -ENOMEM, or -EFBIG past STATE_TEXT_MAX. */
int state_print(const struct state *s, const struct state_clocks *clocks, char **ret_text,
		size_t *ret_size);

/*
 * Reads a text and makes its times those of this process, which `clocks` tells. 0 and the caller
 * owns *ret; -ENOMEM; or, with a sentence in `why`, -ENOMSG: that is no state of lb4,
 * -EPROTONOSUPPORT: it is of a newer lb4, -EINVAL: it is damaged.
 */
int state_parse(const char *text, size_t size, const struct state_clocks *clocks,
		struct state **ret, char why[STATE_WHY_MAX]);
