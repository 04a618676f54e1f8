// SPDX-License-Identifier: BSD-2-Clause
/* The worker's part of the connection log: what its lines say. */
#include <stdatomic.h>

#include "connection.h"
#include "connection_line.h"
#include "socket.h"
#include "worker_private.h"

void worker_lines_dropped(struct line_box *b, size_t n)
{
	struct worker *w = container_of(b, struct worker, lines);

	counter_add(w->counters.lines_dropped, n);
	worker_report_trouble(w);
}

/* Room for a line, if one is wanted for that end. */
static char *begin(struct worker *w, enum end_reason reason)
{
	return line_box_wants(&w->lines, reason, end_reasons[reason].refusal, w->splicer.now)
		       ? line_box_begin(&w->lines, w->splicer.now)
		       : NULL;
}

void worker_line_end(struct worker *w, const struct connection *c)
{
	char *line = begin(w, c->reason);

	if (line)
		line_box_end(&w->lines, connection_line_print(c, clock_wall(), line));
}

void worker_line_refused(struct worker *w, const struct service *service, int fd,
			 const struct address *client, const struct address *local,
			 enum end_reason reason)
{
	struct address asked = {};
	char *line = begin(w, reason);

	if (!line)
		return;
	if (!local && socket_local(fd, &asked) >= 0)
		local = &asked;
	line_box_end(&w->lines, connection_line_print_refused(service, client, local, reason,
							      clock_wall(), line));
}
