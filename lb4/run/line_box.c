// SPDX-License-Identifier: BSD-2-Clause
#include <stdatomic.h>
#include <stdlib.h>

#include "connection_line.h"
#include "daemon.h"
#include "line_box.h"
#include "line_writer.h"

#define LINES_DELAY (100 * NSEC_PER_MSEC)

void line_box_flush(struct line_box *b)
{
	b->due = NSEC_NEVER;
	if (!b->chunk)
		return;
	if (line_writer_post(b->writer, b->chunk) < 0) {
		b->on_dropped(b, b->chunk->n_lines);
		free(b->chunk);
	}
	b->chunk = NULL;
}

static enum log_connections policy(const struct line_box *b)
{
	return atomic_load_explicit(&b->policy->connections, memory_order_relaxed);
}

/* What is limited has its limit in place of the sample. */
bool line_box_wants(struct line_box *b, enum end_reason reason, bool limited, nsec_t now)
{
	uint32_t sample = atomic_load_explicit(&b->policy->sample, memory_order_relaxed);

	if (policy(b) == LOG_CONNECTIONS_OFF ||
	    (policy(b) == LOG_CONNECTIONS_FAILED && reason == END_DONE))
		return false;
	if (limited)
		return refusal_lines_want(&b->refusals, reason, now);
	return sample <= 1 || b->count++ % sample == 0;
}

char *line_box_begin(struct line_box *b, nsec_t now)
{
	if (b->chunk && b->chunk->size + CONNECTION_LINE_MAX > LINE_CHUNK_SIZE)
		line_box_flush(b);
	if (!b->chunk) {
		b->chunk = line_chunk_new();
		b->due = now + LINES_DELAY;
	}
	if (!b->chunk) {
		b->on_dropped(b, 1);
		return NULL;
	}
	return b->chunk->text + b->chunk->size;
}

void line_box_end(struct line_box *b, size_t length)
{
	b->chunk->size += length;
	b->chunk->n_lines++;
}

nsec_t line_box_next(const struct line_box *b)
{
	nsec_t next = refusal_lines_next(&b->refusals);

	return b->due < next ? b->due : next;
}

void line_box_on_time(struct line_box *b, nsec_t now)
{
	enum end_reason reason;
	uint64_t n_more;

	while ((reason = refusal_lines_take(&b->refusals, now, &n_more)) != END_NONE) {
		char *line = policy(b) == LOG_CONNECTIONS_OFF ? NULL : line_box_begin(b, now);

		if (line)
			line_box_end(
				b, connection_line_print_more(reason, n_more, clock_wall(), line));
	}
	if (b->due <= now)
		line_box_flush(b);
}
