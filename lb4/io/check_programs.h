/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The BPF programs by which checks of backends of dsr take the path of clients' packets, and the memory
 * that tells them of checks (bpf/shared/lb4_check.h). One thread; the memory is whoever's.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lb4_check.h"

struct check_programs;

/* Those that may be listed, and as many more by which ways lead. */
#define CHECK_INTERFACES_MAX 64

/* Loads them, attached nowhere. -errno. */
int check_programs_open(struct check_programs **ret);

/* Detaches them; with a kernel before 6.6 too. NULL is ignored. */
struct check_programs *check_programs_close(struct check_programs *c);

/*
 * Attaches them to these interfaces, where they are not yet. 0, or the first -errno: then those that
 * failed are tried again by the next call.
 */
int check_programs_attach(struct check_programs *c, const uint32_t *interfaces, size_t n);

/* Detaches them from all interfaces but these, and forgets those that are gone. */
void check_programs_keep(struct check_programs *c, const uint32_t *interfaces, size_t n);

/* Whether they are at that interface. */
bool check_programs_are_at(const struct check_programs *c, uint32_t interface);

/* LB4_CHECKS entries, for as long as `c` lives. */
struct lb4_check *check_programs_entries(struct check_programs *c);

/* For tests: the programs' descriptors. */
int check_programs_out(const struct check_programs *c);
int check_programs_in(const struct check_programs *c);
