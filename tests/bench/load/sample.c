// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "options.h"
#include "sample.h"

#define TEXT_MAX (256 * 1024)

static char text[TEXT_MAX];

static void read_file(const char *path)
{
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t length = 0;
	ssize_t n;

	if (fd < 0)
		die("%s: %m", path);
	while (length < sizeof(text) - 1 &&
	       (n = read(fd, text + length, sizeof(text) - 1 - length)) > 0)
		length += (size_t)n;
	text[length] = '\0';
}

static nsec_t ticks(unsigned long long n)
{
	return n * (NSEC_PER_SEC / (nsec_t)sysconf(_SC_CLK_TCK));
}

/* Lines "cpuN user nice system idle iowait irq softirq steal …"; the first sums them up. */
static void take_cpus(struct sample *s)
{
	char *line = text;

	read_file("/proc/stat");
	s->n_cpus = 0;
	while ((line = strchr(line, '\n')) && !strncmp(++line, "cpu", 3) && s->n_cpus < CPU_MAX) {
		unsigned long long idle, iowait, steal;

		if (sscanf(line, "cpu%*u %*u %*u %*u %llu %llu %*u %*u %llu", &idle, &iowait,
			   &steal) != 3)
			die("/proc/stat: not understood");
		s->idle[s->n_cpus] = ticks(idle) + ticks(iowait);
		s->steal[s->n_cpus] = ticks(steal);
		s->n_cpus++;
	}
}

/* The process clock also holds the time of threads that have ended. */
static void take_processes(struct sample *s, const struct options *o)
{
	s->process = 0;
	for (size_t i = 0; i < o->n_pids; i++) {
		struct timespec ts;
		clockid_t id;

		errno = clock_getcpuclockid(o->pids[i], &id);
		if (errno || clock_gettime(id, &ts) < 0)
			die("process %d: %m", (int)o->pids[i]);
		s->process += (nsec_t)ts.tv_sec * NSEC_PER_SEC + (nsec_t)ts.tv_nsec;
	}
}

static void take_device(struct sample *s, const char *device)
{
	char begin[64];
	const char *line;

	read_file("/proc/net/dev");
	snprintf(begin, sizeof(begin), " %s:", device);
	line = strstr(text, begin);
	if (!line || sscanf(line + strlen(begin),
			    "%" SCNu64 "%" SCNu64 "%*u%*u%*u%*u%*u%*u%" SCNu64 "%" SCNu64,
			    &s->rx_bytes, &s->rx_packets, &s->tx_bytes, &s->tx_packets) != 4)
		die("there is no interface %s", device);
}

void sample_take(struct sample *s, const struct options *o)
{
	if (o->device)
		take_device(s, o->device);
	take_processes(s, o);
	s->at = clock_now();
	take_cpus(s);
}

static void print_list(const char *name, const nsec_t *values, unsigned n)
{
	printf(", \"%s\": [", name);
	for (unsigned i = 0; i < n; i++)
		printf("%s%" PRIu64, i ? ", " : "", values[i] / NSEC_PER_USEC);
	putchar(']');
}

void sample_print(const struct sample *begin, const struct sample *end, const struct options *o)
{
	nsec_t wall = end->at - begin->at, busy[CPU_MAX], steal[CPU_MAX];

	for (unsigned i = 0; i < end->n_cpus; i++) {
		nsec_t away = end->idle[i] - begin->idle[i];

		steal[i] = end->steal[i] - begin->steal[i];
		away += steal[i];
		busy[i] = away < wall ? wall - away : 0;
	}
	printf("\"seconds\": %.6f", (double)wall / (double)NSEC_PER_SEC);
	print_list("busy_us", busy, end->n_cpus);
	print_list("steal_us", steal, end->n_cpus);
	if (o->n_pids)
		printf(", \"process_us\": %" PRIu64,
		       (end->process - begin->process) / NSEC_PER_USEC);
	if (o->device)
		printf(", \"rx_bytes\": %" PRIu64 ", \"rx_packets\": %" PRIu64
		       ", \"tx_bytes\": %" PRIu64 ", \"tx_packets\": %" PRIu64,
		       end->rx_bytes - begin->rx_bytes, end->rx_packets - begin->rx_packets,
		       end->tx_bytes - begin->tx_bytes, end->tx_packets - begin->tx_packets);
}
