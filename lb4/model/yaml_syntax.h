/* SPDX-License-Identifier: BSD-2-Clause */
/* Why libyaml gave up, in words that help. Internal to the reading of YAML. */
#pragma once

#include <stddef.h>
#include <yaml.h>

#include "yaml_tree.h"

static inline struct mark mark_of(yaml_mark_t m)
{
	return (struct mark){(unsigned)m.line + 1, (unsigned)m.column + 1};
}

/* The place of byte `offset`, or of the end; columns count characters, as libyaml's do. */
struct mark yaml_mark_of_byte(const char *text, size_t size, size_t offset);

/* Records the error that `parser` stopped at, reading `text`. */
void yaml_syntax_fault(const yaml_parser_t *parser, const char *text, size_t size,
		       struct faults *faults);
