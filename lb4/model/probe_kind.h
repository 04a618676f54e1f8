/* SPDX-License-Identifier: BSD-2-Clause */
/* What probe.c and the kinds of probe share; nobody else includes this. */
#pragma once

#include "needle.h"
#include "probe.h"

#define PROBE_HEAD_MAX	  64  /* first bytes of an answer, kept for error texts */
#define PROBE_LINE_MAX	  256 /* of a header line; the rest of a longer one is skipped */
#define PROBE_EXCERPT_MAX 48  /* bytes of text for something quoted in an error */
#define PROBE_REASON_MAX  128 /* and for a server's own words, which are most of the error */

/* The part of an HTTP answer that the next byte belongs to. */
enum http_part {
	HTTP_STATUS_LINE,
	HTTP_HEADER,
	HTTP_BODY,	 /* until `left` bytes are read or the connection ends */
	HTTP_CHUNK_SIZE, /* a line */
	HTTP_CHUNK,	 /* `left` bytes */
	HTTP_CHUNK_END,	 /* the empty line after them */
};

struct probe_http {
	enum http_part part;
	unsigned status;
	bool chunked;
	uint64_t left; /* bytes of body or chunk to come; UINT64_MAX: until the end */
	size_t n_line;
	char line[PROBE_LINE_MAX]; /* NUL-terminated when complete */
};

/* SMTP: the line of the greeting that is being received. */
struct probe_smtp {
	char line[PROBE_REASON_MAX];
	size_t n_line; /* the rest of a longer line is skipped */
};

#define PROBE_MYSQL_MAX 1024 /* bytes of a packet that are looked at */

/* MySQL: the packet that is being received, its header included, and the one to be sent. */
struct probe_mysql {
	bool greeted;	     /* and what comes now answers our login */
	unsigned n_switches; /* times the server asked for another way to log in */
	char way[64];	     /* that it asked for last, in any round */
	uint8_t in[PROBE_MYSQL_MAX], out[256];
	size_t n_in;
};

/* A program: its environment, and how its output begins. */
struct probe_exec {
	char address[ADDRESS_TEXT_MAX + sizeof("LB4_ADDRESS=")], port[sizeof("LB4_PORT=65535")];
	const char *environment[5];
	char output[PROBE_REASON_MAX];
	size_t n_output;
};

/* Of presets whose answer is one line. */
struct probe_line_rule {
	const char *request;
	const char *expected;	     /* the word for error texts */
	const char *exact;	     /* the good answer, or NULL */
	const char *const *prefixes; /* how others that are good begin; ends with NULL */
	const char *starts;	     /* the first byte of any answer; NULL: an upper case letter */
};

/* One kind of check. Each function may be NULL when there is nothing to do. */
struct probe_kind {
	int (*init)(struct probe *p, const struct address *address);
	void (*begin)(struct probe *p);
	/* Without it the probe is over as soon as it is sent. */
	enum probe_outcome (*feed)(struct probe *p, const uint8_t *data, size_t size);
	enum probe_outcome (*on_end)(struct probe *p);
	size_t received_max; /* the end of an answer that never ends; 0 with no `feed` */
	enum probe_outcome (*on_limit)(struct probe *p);
	bool lingers;
	const struct probe_line_rule *line;
};

extern const struct probe_kind probe_http, probe_send_expect, probe_redis, probe_postgres,
	probe_mysql, probe_memcached, probe_amqp, probe_smtp, probe_exec;

struct probe {
	const struct check_config *check;
	const struct probe_kind *kind;
	const void *request;
	size_t request_size;
	char *request_text;   /* what `request` points to when it was made for this probe */
	struct needle needle; /* empty when nothing is searched */

	/* Of this round. */
	size_t n_received;
	uint8_t head[PROBE_HEAD_MAX];
	size_t n_head;
	const void *farewell; /* of lingering kinds, when the outcome is PROBE_OK */
	size_t farewell_size;
	union {
		struct probe_http http;
		struct probe_smtp smtp;
		struct probe_mysql mysql;
		struct probe_exec exec;
	};
	char error[PROBE_ERROR_MAX];
};

/* Writes the error text and returns PROBE_FAILED. */
enum probe_outcome probe_fail(struct probe *p, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Adds to the head, as far as there is room. */
void probe_keep_head(struct probe *p, const uint8_t *data, size_t size);

/*
 * Writes `data` as printable ASCII: other bytes as \r, \n, \t, \\, \" or \xNN, and "..." at the end
 * when it did not fit. Returns `buffer`.
 */
char *probe_escape(char *buffer, size_t buffer_size, const void *data, size_t size);

/* The head of the answer, escaped and in quotes, or the word nothing. Returns `buffer`. */
#define PROBE_HEAD_TEXT_MAX (PROBE_EXCERPT_MAX + 2)
char *probe_head_text(const struct probe *p, char buffer[PROBE_HEAD_TEXT_MAX]);
