/* SPDX-License-Identifier: BSD-2-Clause */
/* Why a connection ended: exactly one reason each, the same word in logs, API and metrics. */
#pragma once

#include <stdbool.h>

enum end_reason {
	END_NONE, /* still alive */
	END_DONE, /* FIN from both sides, every byte delivered */
	END_CLIENT_RESET,
	END_SERVER_RESET,
	END_CLIENT_TIMEOUT, /* the client's TCP gave up: user timeout, keepalive, no route */
	END_SERVER_TIMEOUT,
	END_CONNECT_FAILED,  /* every candidate refused or timed out within the budget */
	END_NO_BACKEND,	     /* nobody was eligible */
	END_PREFACE_CLOSED,  /* the client left before its first bytes said enough */
	END_PROXY_UNTRUSTED, /* the client is none of the proxies of proxy_in */
	END_PROXY_MISSING,   /* a proxy sent something else than a PROXY header */
	END_PROXY_MALFORMED, /* … or a broken one */
	END_PROXY_TIMEOUT,   /* … or none in time */
	END_NOT_TLS,	     /* a client of a service with tls_routes sent something else */
	END_HELLO_MALFORMED, /* … or a ClientHello that makes no sense */
	END_HELLO_TOO_LONG,  /* … or one that is longer than hello: bytes */
	END_HELLO_TIMEOUT,   /* … or none in time */
	END_NO_ROUTE,	     /* no route matched, and the service has no backends of its own */
	END_IDLE,
	END_HALF_CLOSED,
	END_LIFETIME,
	END_BACKEND_DOWN,  /* on_down: reset */
	END_DRAIN_TIMEOUT, /* the draining backend's time was over */
	END_STOPPED,	   /* lb4 stopped, and its stop timeout was over */
	END_RESOURCES,	   /* no descriptor, slot or memory */
	END_INTERNAL,	   /* an operation failed in a way that should not happen */
	END_DENIED,	   /* the client's address is not allowed */
	END_SERVICE_LIMIT, /* limits of the service and of the client's source */
	END_SERVICE_RATE,
	END_SOURCE_LIMIT,
	END_SOURCE_RATE,
	END_QUEUE_FULL, /* every backend had as many connections as it may, and nobody may wait */
	END_QUEUE_TIMEOUT, /* … and the client has waited as long as it may */
	END_REASONS,
};

/* Who brought the end about. */
enum end_party {
	PARTY_BOTH,
	PARTY_CLIENT,
	PARTY_SERVER,
	PARTY_LB4,
};

struct end_reason_info {
	const char *name; /* "client-reset" */
	enum end_party party;
	const char *meaning; /* one sentence for the manual page and lbctl */
	bool refusal;	     /* by a limit: may come in floods, and its lines are limited */
};

extern const struct end_reason_info end_reasons[END_REASONS];

const char *end_party_name(enum end_party party);
