// SPDX-License-Identifier: BSD-2-Clause
/*
 * Word to main that a counter of what should not happen has gone up: once, and again after main has
 * looked, so that any amount of trouble costs a message. On the worker, but for
 * worker_trouble_seen().
 */
#include <stdatomic.h>
#include <stdlib.h>

#include "report.h"
#include "worker_private.h"

static void report_free(struct message *m)
{
	free(container_of(m, struct report, message));
}

void worker_report_trouble(struct worker *w)
{
	struct report *report;

	if (atomic_exchange(&w->trouble, true))
		return;
	report = malloc(sizeof(*report));
	if (report)
		*report = (struct report){.message.free = report_free, .kind = REPORT_TROUBLE};
	if (!report || mailbox_post(w->setup.reports, &report->message) < 0) {
		free(report);
		counter_add(w->counters.reports_dropped, 1);
		atomic_store(&w->trouble, false); /* the next trouble tries again */
	}
}

void worker_trouble_seen(struct worker *w)
{
	atomic_store(&w->trouble, false);
}
