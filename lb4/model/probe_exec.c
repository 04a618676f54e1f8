// SPDX-License-Identifier: BSD-2-Clause
/*
 * The probe that is a program of the operator's: what it is told through its environment, and what
 * its exit status amounts to. Who runs it is io/child.
 */
#include <stdio.h>
#include <string.h>

#include "probe_kind.h"

/*
 * Nothing of our own environment: a check does the same however lb4 was started. Not the service
 * or the backend either, for equal checks of one address are one probe.
 */
static int exec_init(struct probe *p, const struct address *address)
{
	struct probe_exec *e = &p->exec;
	char ip[ADDRESS_TEXT_MAX];

	snprintf(e->address, sizeof(e->address), "LB4_ADDRESS=%s", address_print_ip(address, ip));
	snprintf(e->port, sizeof(e->port), "LB4_PORT=%u", address->port);
	e->environment[0] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
	e->environment[1] = e->address;
	e->environment[2] = e->port;
	e->environment[3] = address->family == ADDRESS_IPV4 ? "LB4_FAMILY=ipv4" : "LB4_FAMILY=ipv6";
	return 0;
}

static void exec_begin(struct probe *p)
{
	p->exec.n_output = 0;
}

static bool is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Keeps how the output begins, blank lines before it left out. */
static enum probe_outcome exec_feed(struct probe *p, const uint8_t *data, size_t size)
{
	struct probe_exec *e = &p->exec;

	for (size_t i = 0; i < size && e->n_output < sizeof(e->output); i++)
		if (e->n_output > 0 || !is_blank((char)data[i]))
			e->output[e->n_output++] = (char)data[i];
	return PROBE_MORE;
}

enum probe_outcome probe_on_exit(struct probe *p, int status, int signal)
{
	struct probe_exec *e = &p->exec;
	char how[32], said[PROBE_REASON_MAX];
	const char *name = signal ? sigabbrev_np(signal) : NULL;

	if (status == 0 && signal == 0)
		return PROBE_OK;
	if (name)
		snprintf(how, sizeof(how), "ended by SIG%s", name);
	else if (signal)
		snprintf(how, sizeof(how), "ended by signal %d", signal);
	else
		snprintf(how, sizeof(how), "exit status %d", status);
	while (e->n_output > 0 && is_blank(e->output[e->n_output - 1]))
		e->n_output--;
	if (e->n_output == 0)
		return probe_fail(p, "%s", how);
	return probe_fail(p, "%s: %s", how,
			  probe_escape(said, sizeof(said), e->output, e->n_output));
}

char *const *probe_program(const struct probe *p)
{
	return p->check->exec;
}

char *const *probe_environment(const struct probe *p)
{
	return (char *const *)p->exec.environment;
}

const struct probe_kind probe_exec = {
	.init = exec_init,
	.begin = exec_begin,
	.feed = exec_feed,
	.received_max = SIZE_MAX, /* all of it is read, so that the program can go on */
};
