/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the backends' program (lb4_decap.bpf.c) and the tool that loads it share. */
#pragma once

/* Addresses of lb4 machines. */
#define LB4_DECAP_SOURCES_MAX 16

/* What became of packets: places in the map of counters. */
#define LB4_DECAP_UNWRAPPED 0
#define LB4_DECAP_FOREIGN   1 /* from somebody else: left as it was */
#define LB4_DECAP_FAILED    2 /* dropped */
#define LB4_DECAP_COUNT	    3
