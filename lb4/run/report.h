/* SPDX-License-Identifier: BSD-2-Clause */
/* What main's mailbox carries. */
#pragma once

#include "mailbox.h"

struct backend;

enum report_kind {
	REPORT_CHECK,	/* struct check_report, of the checker */
	REPORT_PASSIVE, /* struct passive_report, of a worker */
	REPORT_WORKER,	/* a worker has ended its last connection and stops */
	REPORT_TROUBLE, /* a worker's counters of what should not happen have gone up */
};

struct report {
	struct message message;
	enum report_kind kind;
};

/* A connect to the backend failed, or was reset before a byte was exchanged. */
struct passive_report {
	struct report report;
	struct backend *backend; /* referenced */
	uint64_t consecutive;	 /* since the backend's last byte, as that worker saw it */
	int error;		 /* a positive errno */
};
