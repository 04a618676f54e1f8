// SPDX-License-Identifier: BSD-2-Clause
/* Probes whose answer is lines of text: the presets redis, memcached and smtp. */
#include <string.h>

#include "probe_kind.h"

/* Longest line of an answer that matters; errors of Redis and memcached are shorter. */
#define LINE_MAX 256

/* A greeting may have many lines, and it is somebody's policy text. */
#define SMTP_GREETING_MAX 4096

static int line_init(struct probe *p, const struct address *address)
{
	(void)address;
	p->request = p->kind->line->request;
	p->request_size = strlen(p->kind->line->request);
	return 0;
}

static enum probe_outcome judge_line(struct probe *p)
{
	const struct probe_line_rule *rule = p->kind->line;
	const char *line = (const char *)p->head;
	size_t length = p->n_head;
	char got[PROBE_EXCERPT_MAX];

	while (length > 0 && (line[length - 1] == '\n' || line[length - 1] == '\r'))
		length--;
	if (rule->exact && length == strlen(rule->exact) && !memcmp(line, rule->exact, length))
		return PROBE_OK;
	for (const char *const *prefix = rule->prefixes; *prefix; prefix++) {
		size_t n = strlen(*prefix);

		if (length >= n && !memcmp(line, *prefix, n))
			return PROBE_OK;
	}
	return probe_fail(p, "expected %s, got %s", rule->expected,
			  probe_escape(got, sizeof(got), line, length));
}

/* What is no answer at all may well not have lines. */
static bool may_start(const struct probe_line_rule *rule, uint8_t byte)
{
	if (rule->starts)
		return byte && strchr(rule->starts, byte);
	return byte >= 'A' && byte <= 'Z';
}

static enum probe_outcome line_feed(struct probe *p, const uint8_t *data, size_t size)
{
	const uint8_t *newline = memchr(data, '\n', size);

	probe_keep_head(p, data, newline ? (size_t)(newline - data) + 1 : size);
	return newline || !may_start(p->kind->line, p->head[0]) ? judge_line(p) : PROBE_MORE;
}

/*
 * Answers of a server that serves those who may log in. Others that begin with '-', such as
 * LOADING, MASTERDOWN, MISCONF or "ERR max number of clients reached", say that it does not.
 */
static const struct probe_line_rule redis_rule = {
	.request = "*1\r\n$4\r\nPING\r\n", /* as an array: proxies do not know the inline form */
	.expected = "+PONG",
	.exact = "+PONG",
	.prefixes = (const char *const[]){"-NOAUTH ", "-NOPERM ", NULL},
	.starts = "+-",
};

const struct probe_kind probe_redis = {
	.init = line_init,
	.feed = line_feed,
	.on_end = judge_line,
	.received_max = LINE_MAX,
	.on_limit = judge_line,
	.line = &redis_rule,
};

/* With its option -Y memcached wants a password first, and says so: that is an answer too. */
static const struct probe_line_rule memcached_rule = {
	.request = "version\r\n",
	.expected = "VERSION",
	.prefixes = (const char *const[]){"VERSION ", "CLIENT_ERROR unauthenticated", NULL},
};

const struct probe_kind probe_memcached = {
	.init = line_init,
	.feed = line_feed,
	.on_end = judge_line,
	.received_max = LINE_MAX,
	.on_limit = judge_line,
	.line = &memcached_rule,
};

static void smtp_begin(struct probe *p)
{
	p->smtp.n_line = 0;
}

static enum probe_outcome smtp_refuse(struct probe *p)
{
	char got[PROBE_REASON_MAX];

	return probe_fail(p, "expected 220, got \"%s\"",
			  probe_escape(got, sizeof(got), p->smtp.line, p->smtp.n_line));
}

/* "220-…" goes on, "220 …" and a bare "220" are the last line. */
static enum probe_outcome smtp_line(struct probe *p)
{
	static const char quit[] = "QUIT\r\n";
	struct probe_smtp *s = &p->smtp;

	if (s->n_line > 0 && s->line[s->n_line - 1] == '\r')
		s->n_line--;
	if (s->n_line < 3 || memcmp(s->line, "220", 3) ||
	    (s->n_line > 3 && s->line[3] != ' ' && s->line[3] != '-'))
		return smtp_refuse(p);
	if (s->n_line > 3 && s->line[3] == '-') {
		s->n_line = 0;
		return PROBE_MORE;
	}
	p->farewell = quit;
	p->farewell_size = sizeof(quit) - 1;
	return PROBE_OK;
}

static enum probe_outcome smtp_feed(struct probe *p, const uint8_t *data, size_t size)
{
	struct probe_smtp *s = &p->smtp;
	enum probe_outcome outcome = PROBE_MORE;

	for (size_t i = 0; i < size && outcome == PROBE_MORE; i++) {
		if (data[i] == '\n')
			outcome = smtp_line(p);
		else if (s->n_line < sizeof(s->line))
			s->line[s->n_line++] = (char)data[i];
	}
	/* What is no reply at all need not end its lines. */
	if (outcome == PROBE_MORE && s->n_line > 0 && (s->line[0] < '0' || s->line[0] > '9'))
		return smtp_refuse(p);
	return outcome;
}

static enum probe_outcome smtp_end(struct probe *p)
{
	return probe_fail(p, "closed within the greeting, after %zu bytes", p->n_received);
}

static enum probe_outcome smtp_limit(struct probe *p)
{
	return probe_fail(p, "the greeting does not end within 4 KiB");
}

const struct probe_kind probe_smtp = {
	.begin = smtp_begin,
	.feed = smtp_feed,
	.on_end = smtp_end,
	.received_max = SMTP_GREETING_MAX,
	.on_limit = smtp_limit,
	.lingers = true,
};
