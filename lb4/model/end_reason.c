// SPDX-License-Identifier: BSD-2-Clause
#include "end_reason.h"

const struct end_reason_info end_reasons[END_REASONS] = {
	[END_NONE] = {"none", PARTY_LB4, "the connection is alive"},
	[END_DONE] = {"done", PARTY_BOTH, "both sides said FIN and every byte was delivered"},
	[END_CLIENT_RESET] = {"client-reset", PARTY_CLIENT, "the client sent RST"},
	[END_SERVER_RESET] = {"server-reset", PARTY_SERVER, "the backend sent RST"},
	[END_CLIENT_TIMEOUT] = {"client-timeout", PARTY_CLIENT,
				"the client stopped answering at TCP level"},
	[END_SERVER_TIMEOUT] = {"server-timeout", PARTY_SERVER,
				"the backend stopped answering at TCP level"},
	[END_CONNECT_FAILED] = {"connect-failed", PARTY_SERVER,
				"every candidate refused or timed out within the budget"},
	[END_NO_BACKEND] = {"no-backend", PARTY_LB4, "no backend was eligible"},
	[END_PREFACE_CLOSED] = {"preface-closed", PARTY_CLIENT,
				"the client closed before its first bytes said enough"},
	[END_PROXY_UNTRUSTED] = {"proxy-untrusted", PARTY_LB4,
				 "the client is none of the proxies that proxy_in names", true},
	[END_PROXY_MISSING] = {"proxy-missing", PARTY_CLIENT,
			       "the first bytes of a proxy were no PROXY header"},
	[END_PROXY_MALFORMED] = {"proxy-malformed", PARTY_CLIENT,
				 "the PROXY header of a proxy was broken"},
	[END_PROXY_TIMEOUT] = {"proxy-timeout", PARTY_CLIENT,
			       "no PROXY header came within its timeout"},
	[END_NOT_TLS] = {"not-tls", PARTY_CLIENT, "the client's first bytes were no TLS"},
	[END_HELLO_MALFORMED] = {"hello-malformed", PARTY_CLIENT,
				 "the client's ClientHello made no sense"},
	[END_HELLO_TOO_LONG] = {"hello-too-long", PARTY_CLIENT,
				"the client's ClientHello was longer than hello: bytes"},
	[END_HELLO_TIMEOUT] = {"hello-timeout", PARTY_CLIENT,
			       "no ClientHello came within hello: timeout"},
	[END_NO_ROUTE] = {"no-route", PARTY_LB4,
			  "no route matched and the service has no backends of its own"},
	[END_IDLE] = {"idle-timeout", PARTY_LB4, "no byte passed for idle_timeout"},
	[END_HALF_CLOSED] = {"half-closed-timeout", PARTY_LB4,
			     "one side had closed and no byte passed for half_closed_timeout"},
	[END_LIFETIME] = {"lifetime", PARTY_LB4, "the connection was older than lifetime"},
	[END_BACKEND_DOWN] = {"backend-down", PARTY_LB4, "the backend failed, on_down: reset"},
	[END_DRAIN_TIMEOUT] = {"drain-timeout", PARTY_LB4, "the drain timeout was over"},
	[END_STOPPED] = {"stopped", PARTY_LB4, "lb4 stopped and the stop timeout was over"},
	[END_RESOURCES] = {"resources", PARTY_LB4, "descriptors, slots or memory ran out"},
	[END_INTERNAL] = {"internal", PARTY_LB4, "an operation failed that should not fail"},
	[END_DENIED] = {"denied", PARTY_LB4, "allow or deny keeps the client's address out", true},
	[END_SERVICE_LIMIT] = {"service-limit", PARTY_LB4,
			       "the service had limits: connections of them", true},
	[END_SERVICE_RATE] = {"service-rate", PARTY_LB4,
			      "the service had limits: rate of new ones within a second", true},
	[END_SOURCE_LIMIT] = {"source-limit", PARTY_LB4,
			      "the client's source had limits: source: connections of them", true},
	[END_SOURCE_RATE] = {"source-rate", PARTY_LB4,
			     "the client's source had opened limits: source: rate within a second",
			     true},
	[END_QUEUE_FULL] =
		{"queue-full", PARTY_LB4,
		 "every eligible backend had its max_connections, and the queue was full", true},
	[END_QUEUE_TIMEOUT] = {"queue-timeout", PARTY_LB4,
			       "no backend had room for it within the timeout of queue", true},
};

static const char *const parties[] = {
	[PARTY_BOTH] = "both",
	[PARTY_CLIENT] = "client",
	[PARTY_SERVER] = "server",
	[PARTY_LB4] = "lb4",
};

const char *end_party_name(enum end_party party)
{
	return parties[party];
}
