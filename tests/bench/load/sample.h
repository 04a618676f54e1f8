/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the machine has spent up to a moment; two samples make a window.
 *
 * A CPU is busy when it is neither idle nor taken away by the hypervisor. The kernel measures idle
 * time exactly, also between ticks, whereas what it gives out as user, system and softirq time is
 * guessed at ticks. So busy is what is left of the time: it holds softirq and kernel threads too.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "clock.h"

#define CPU_MAX 256

struct options;

struct sample {
	nsec_t at;
	unsigned n_cpus;
	nsec_t idle[CPU_MAX], steal[CPU_MAX]; /* iowait is idle */
	nsec_t process;			      /* CPU time of all --pid, their threads included */
	uint64_t rx_bytes, rx_packets, tx_bytes, tx_packets; /* of --device */
};

/* Dies when something cannot be read: a window without it would be worth nothing. */
void sample_take(struct sample *s, const struct options *o);

/* Fields of a JSON object, without braces: what passed between two samples. */
void sample_print(const struct sample *begin, const struct sample *end, const struct options *o);
