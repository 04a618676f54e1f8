/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The thread that writes connection lines to standard output, so that a slow reader there blocks
 * nobody else. What it cannot keep up with is dropped and counted by whoever posts.
 */
#pragma once

#include <stddef.h>

#include "mailbox.h"

#define LINE_CHUNK_SIZE 16384

/* Lines of one worker, gathered. */
struct line_chunk {
	struct message message;
	size_t size, n_lines;
	char text[LINE_CHUNK_SIZE];
};

struct line_writer;

int line_writer_start(struct line_writer **ret);

/* Writes what was posted, unless the reader blocks for longer than a second. */
struct line_writer *line_writer_stop(struct line_writer *w);

/* An empty chunk, or NULL. */
struct line_chunk *line_chunk_new(void);

/* Passes ownership; -ENOBUFS when too many wait: the chunk stays the caller's. Any thread. */
int line_writer_post(struct line_writer *w, struct line_chunk *chunk);
