// SPDX-License-Identifier: BSD-2-Clause
/* The worker's part of the connection log: which lines are written, and gathering them. */
#include <stdatomic.h>
#include <stdlib.h>

#include "connection.h"
#include "connection_line.h"
#include "socket.h"
#include "worker_private.h"

#define LINES_DELAY (100 * NSEC_PER_MSEC)

void worker_lines_flush(struct worker *w)
{
	w->lines_due = NSEC_NEVER;
	if (!w->lines)
		return;
	if (line_writer_post(w->setup.lines, w->lines) < 0) {
		counter_add(w->counters.lines_dropped, w->lines->n_lines);
		worker_report_trouble(w);
		free(w->lines);
	}
	w->lines = NULL;
}

static enum log_connections policy(const struct worker *w)
{
	return atomic_load_explicit(&w->setup.line_policy->connections, memory_order_relaxed);
}

/* Refusals have a limit of their own in place of the sample. */
static bool line_wanted(struct worker *w, enum end_reason reason)
{
	const struct line_policy *p = w->setup.line_policy;
	uint32_t sample = atomic_load_explicit(&p->sample, memory_order_relaxed);

	if (policy(w) == LOG_CONNECTIONS_OFF ||
	    (policy(w) == LOG_CONNECTIONS_FAILED && reason == END_DONE))
		return false;
	if (end_reasons[reason].refusal)
		return refusal_lines_want(&w->refusals, reason, w->splicer.now);
	return sample <= 1 || w->line_count++ % sample == 0;
}

/* Room for a line, at the end of what is gathered; NULL, and counted: memory is short. */
static char *line_begin(struct worker *w)
{
	if (w->lines && w->lines->size + CONNECTION_LINE_MAX > LINE_CHUNK_SIZE)
		worker_lines_flush(w);
	if (!w->lines) {
		w->lines = line_chunk_new();
		w->lines_due = w->splicer.now + LINES_DELAY;
	}
	if (!w->lines) {
		counter_add(w->counters.lines_dropped, 1);
		worker_report_trouble(w);
		return NULL;
	}
	return w->lines->text + w->lines->size;
}

static void line_end(struct worker *w, size_t length)
{
	w->lines->size += length;
	w->lines->n_lines++;
}

void worker_line_end(struct worker *w, const struct connection *c)
{
	char *line = line_wanted(w, c->reason) ? line_begin(w) : NULL;

	if (line)
		line_end(w, connection_line_print(c, clock_wall(), line));
}

void worker_line_refused(struct worker *w, const struct service *service, int fd,
			 const struct address *client, const struct address *local,
			 enum end_reason reason)
{
	struct address asked = {};
	char *line = line_wanted(w, reason) ? line_begin(w) : NULL;

	if (!line)
		return;
	if (!local && socket_local(fd, &asked) >= 0)
		local = &asked;
	line_end(w,
		 connection_line_print_refused(service, client, local, reason, clock_wall(), line));
}

nsec_t worker_lines_next(const struct worker *w)
{
	nsec_t next = refusal_lines_next(&w->refusals);

	return w->lines_due < next ? w->lines_due : next;
}

void worker_lines_on_time(struct worker *w)
{
	enum end_reason reason;
	uint64_t n_more;

	while ((reason = refusal_lines_take(&w->refusals, w->splicer.now, &n_more)) != END_NONE) {
		char *line = policy(w) == LOG_CONNECTIONS_OFF ? NULL : line_begin(w);

		if (line)
			line_end(w, connection_line_print_more(reason, n_more, clock_wall(), line));
	}
	if (w->lines_due <= w->splicer.now)
		worker_lines_flush(w);
}
