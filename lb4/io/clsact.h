/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A program at tc ingress as a filter of clsact, where the kernel has no tcx (Linux before 6.6). A
 * filter belongs to nobody: it stays when its process ends, until it is replaced or detached, or its
 * interface is gone. A pin says which it is.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct pins;

/* Places the program, or puts it into the place of the one that is there, and pins it (NULL: it does
 * not). *ret_made: the qdisc was not there before. */
int clsact_attach(uint32_t interface, int program, const struct pins *pins, bool *ret_made);

/* Takes away the filter, and the qdisc if it was made with it. */
void clsact_detach(uint32_t interface, bool with_qdisc);

/*
 * A program beside that one, at ingress or egress, which is not pinned: it is to be taken away where it
 * is not wanted any more, by whoever comes next.
 */
int clsact_attach_check(uint32_t interface, bool egress, int program);
void clsact_detach_check(uint32_t interface, bool egress);

/* Detaches the filters that pins tell of, and unpins them, but for those that `keep` (or NULL) is
 * true for. One that is of another program now is left where it is. */
void clsact_sweep(const struct pins *pins, bool (*keep)(void *context, uint32_t interface),
		  void *context);
