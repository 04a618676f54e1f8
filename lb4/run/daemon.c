// SPDX-License-Identifier: BSD-2-Clause
/* Main's life: start, loop, stop. */
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "capacity.h"
#include "checker.h"
#include "cleanup.h"
#include "control.h"
#include "daemon_private.h"
#include "descriptors.h"
#include "event.h"
#include "forwarding.h"
#include "line_writer.h"
#include "log.h"
#include "parking.h"
#include "pipe.h"
#include "plan.h"
#include "worker.h"

/* Reports that may wait for main; what finds no room is counted, and told again. */
#define REPORTS_MAX 65536

/* Descriptors that are no connection's: rings, control clients, probes, files. */
#define DESCRIPTORS_KEPT 320

/* Of the descriptors, for pipes unless the file says how many. A pipe is used for as long as bytes
 * wait in it: those who do not read for long are few. */
#define PIPES_PART 16
#define PIPES_AUTO 64u /* as many as pipe-user-pages-soft of proc(5) has room for */

/* What was short of memory is tried again after this. */
#define RETRY_INTERVAL (100 * NSEC_PER_MSEC)

static unsigned count_cpus(void)
{
	cpu_set_t set;
	int n;

	if (sched_getaffinity(0, sizeof(set), &set) < 0)
		return 1;
	n = CPU_COUNT(&set);
	return n < 1 ? 1 : n > WORKERS_MAX ? WORKERS_MAX : (unsigned)n;
}

static uint32_t choose_max_pipes(const struct daemon *d, uint64_t descriptors)
{
	uint64_t most = descriptors / PIPES_PART / PIPE_DESCRIPTORS;

	if (d->config->max_pipes != MAX_PIPES_AUTO)
		return d->config->max_pipes;
	return most < PIPES_AUTO ? (uint32_t)most : PIPES_AUTO;
}

/* Divides the descriptors there may be among connections; see model/capacity.h. */
static int choose_max_connections(struct daemon *d)
{
	struct capacity_question q = {
		.kept = DESCRIPTORS_KEPT,
		.wanted = d->config->max_connections,
		.n_workers = d->n_workers,
	};
	struct capacity c;
	int r = descriptors_raise(&q.descriptors);

	if (r < 0)
		return r;
	d->limit.pipes = choose_max_pipes(d, q.descriptors);
	q.kept += PIPE_DESCRIPTORS * d->limit.pipes;
	for (size_t i = 0; i < d->config->n_services; i++)
		q.kept += 2 * d->config->services[i].n_listen * d->n_workers;
	if (parking_probe() >= 0)
		q.table_places = parking_table_places(q.descriptors);
	c = capacity_divide(&q);
	if (c.connections < q.wanted)
		log_warning(
			"max_connections: %u is more than lb4 can carry with a limit of %llu open "
			"files%s; using %u",
			q.wanted, (unsigned long long)q.descriptors,
			q.table_places ? "" : " (the kernel cannot park them: Linux 6.8 can)",
			c.connections);
	if (c.awake_max)
		log_info("past %u connections the idle ones are parked: the limit of open files is "
			 "%llu",
			 c.park_above * d->n_workers, (unsigned long long)q.descriptors);
	d->limit.max = c.connections;
	d->limit.park_above = c.park_above;
	d->limit.awake_max = c.awake_max;
	d->limit.descriptors = q.descriptors;
	return 0;
}

/* Before the first worker, and until the last has ended. */
static int open_bells(struct daemon *d)
{
	int r = 0;

	d->bells = calloc(d->n_workers, sizeof(d->bells[0]));
	if (!d->bells)
		return -ENOMEM;
	for (unsigned i = 0; i < d->n_workers; i++)
		d->bells[i].fd = -1;
	for (unsigned i = 0; i < d->n_workers && r >= 0; i++)
		r = event_open(&d->bells[i].fd);
	return r;
}

static void close_bells(struct daemon *d)
{
	for (unsigned i = 0; d->bells && i < d->n_workers; i++)
		if (d->bells[i].fd >= 0)
			close(d->bells[i].fd);
	free(d->bells);
}

static int start_workers(struct daemon *d)
{
	int bells = open_bells(d);

	if (bells < 0) {
		log_error("cannot start the workers: %s", strerrordesc_np(-bells));
		return bells;
	}
	d->workers = calloc(d->n_workers, sizeof(d->workers[0]));
	if (!d->workers)
		return -ENOMEM;
	for (unsigned i = 0; i < d->n_workers; i++) {
		const struct worker_setup setup = {
			.index = i,
			.reports = &d->reports,
			.lines = d->lines,
			.line_policy = &d->line_policy,
			.limit = &d->limit,
			.memory = &d->memory,
			.n_pipes = (d->limit.pipes + d->n_workers - 1 - i) / d->n_workers,
			.bells = d->bells,
		};
		int r = worker_start(&setup, &d->workers[i]);

		if (r < 0) {
			log_error("cannot start a worker: %s%s", strerrordesc_np(-r),
				  r == -EPERM || r == -ENOSYS
					  ? " (io_uring is switched off: see "
					    "/proc/sys/kernel/io_uring_disabled)"
					  : "");
			return r;
		}
		d->n_workers_running++;
	}
	return 0;
}

/* Signals arrive at the loop. */
static int open_signals(void)
{
	sigset_t set;
	int fd;

	/* splice(2) has no MSG_NOSIGNAL, and standard output may close. */
	signal(SIGPIPE, SIG_IGN);
	signal(SIGCHLD, SIG_DFL); /* whoever started us may ignore it, and checks' ends get lost */
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -errno;
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? -errno : fd;
}

static void reload_on_signal(struct daemon *d)
{
	_cleanup_(plan_freep) struct plan *done = NULL;
	struct config_errors errors = {};
	_cleanup_(freep) char *error = NULL;

	daemon_reload(d, false, &done, &errors, &error); /* logs the outcome */
	config_errors_deinit(&errors);
}

static void take_signals(struct daemon *d, int fd)
{
	struct signalfd_siginfo info;

	while (read(fd, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGHUP)
			reload_on_signal(d);
		else
			daemon_stop(d, d->stopping ? 0 : d->config->stop_timeout);
	}
}

/* The stop timeout is over: what is left is reset. */
static void stop_now(struct daemon *d)
{
	char left[DAEMON_LEFT_TEXT_MAX];
	uint64_t n = daemon_print_left(d, left);

	events_record(&d->events, EVENT_STOP_TIMEOUT, NULL, NULL,
		      EVENT_VALUES(EVENT_NUMBER("connections", n)),
		      "stop timeout is over; connections left, now reset: %s", left);
	d->stop_deadline = NSEC_NEVER;
	for (unsigned i = 0; i < d->n_workers; i++)
		if (worker_end_all(d->workers[i], END_STOPPED) < 0)
			log_error("worker %u could not be told: out of memory", i);
}

static int poll_timeout(const struct daemon *d)
{
	nsec_t deadline = control_deadline(d->control, d->now);
	nsec_t delay;

	if (d->deadline < deadline)
		deadline = d->deadline;
	if (supervision_deadline(d) < deadline)
		deadline = supervision_deadline(d);
	if (daemon_state_deadline(d) < deadline)
		deadline = daemon_state_deadline(d);
	if (d->stopping && d->stop_deadline < deadline)
		deadline = d->stop_deadline;
	if ((d->publish_wanted || d->targets_wanted) && deadline > d->now + RETRY_INTERVAL)
		deadline = d->now + RETRY_INTERVAL;
	if (deadline == NSEC_NEVER)
		return -1;
	if (deadline <= d->now)
		return 0;
	delay = (deadline - d->now + NSEC_PER_MSEC - 1) / NSEC_PER_MSEC; /* never early */
	return delay > 3600000 ? 3600000 : (int)delay;
}

/* While lb4 stops, flows that cannot go on without it may finish as connections may. */
static bool awaits_flows(const struct daemon *d)
{
	return d->stop_deadline != NSEC_NEVER &&
	       (forwarding_flows_left(d) > 0 || forwarding_has_uncounted(d));
}

static void loop(struct daemon *d, int signals)
{
	struct pollfd polls[] = {
		{.fd = d->reports.event_fd, .events = POLLIN},
		{.fd = signals, .events = POLLIN},
		{.fd = control_fd(d->control), .events = POLLIN},
		{.fd = forwarding_fd(d), .events = POLLIN},
		{.fd = daemon_state_fd(d), .events = POLLIN},
	};

	while (d->n_workers_running > 0 || awaits_flows(d)) {
		int n = poll(polls, sizeof(polls) / sizeof(polls[0]), poll_timeout(d));

		d->now = clock_now();
		if (n > 0 && polls[0].revents)
			daemon_take_reports(d);
		if (n > 0 && polls[1].revents)
			take_signals(d, signals);
		if (n > 0 && polls[3].revents)
			forwarding_take_news(d);
		if (n > 0 && polls[4].revents)
			daemon_on_written(d);
		control_run(d->control);
		daemon_on_time(d);
		if (d->stopping && d->stop_deadline <= d->now)
			stop_now(d);
		if (d->publish_wanted)
			daemon_publish(d);
		if (d->targets_wanted)
			daemon_set_targets(d);
		daemon_state_on_time(d);
		supervision_run(d);
	}
}

static int start(struct daemon *d, struct config *config)
{
	_cleanup_(freep) char *error = NULL;
	int r = mailbox_init(&d->reports, REPORTS_MAX);

	if (r >= 0)
		r = line_writer_start(&d->lines);
	if (r >= 0)
		r = choose_max_connections(d);
	if (r < 0) {
		log_error("cannot start: %s", strerrordesc_np(-r));
		return r;
	}
	r = start_workers(d);
	if (r < 0)
		return r;
	r = checker_start(&d->reports, &d->checker);
	if (r < 0) {
		log_error("cannot start the checker: %s", strerrordesc_np(-r));
		return r;
	}
	r = control_start(d, config->socket_path, &d->control);
	if (r < 0) {
		log_error("cannot serve the control socket %s: %s%s", config->socket_path,
			  strerrordesc_np(-r),
			  r == -EADDRINUSE ? " (is lb4 running already?)"
			  : r == -EACCES   ? " (--socket or admin: socket names another)"
					   : "");
		return r;
	}
	forwarding_start(d, config);
	d->config = NULL; /* what applies is compared with nothing */
	daemon_recall(d, config);
	r = daemon_apply(d, config, NULL, &error);
	if (r < 0) {
		d->config = config;
		log_error("cannot start: %s", error ? error : strerrordesc_np(-r));
		return r;
	}
	daemon_state_start(d);
	return r;
}

/* Ends the threads and frees all; accepts a daemon that only half started. */
static void finish(struct daemon *d)
{
	d->control = control_stop(d->control);
	daemon_state_stop(d);
	d->checker = checker_stop(d->checker); /* it writes into the fast path's memory */
	forwarding_stop(d);
	for (unsigned i = 0; d->workers && i < d->n_workers; i++) {
		if (!d->workers[i])
			continue;
		if (!d->stopping)
			worker_stop(d->workers[i]);
		d->workers[i] = worker_join(d->workers[i]);
	}
	free(d->workers);
	close_bells(d);
	d->lines = line_writer_stop(d->lines);
	mailbox_deinit(&d->reports);
	snapshot_unref(d->snapshot);
	for (size_t i = 0; i < d->n_services; i++)
		live_service_free(d->services[i], d->n_workers);
	free(d->services);
	free(d->targets);
	free(d->reload_error);
	free(d->config_path);
	config_free(d->config);
	supervision_deinit(&d->supervision);
	events_deinit(&d->events);
}

static void tell_start(struct daemon *d)
{
	events_record(&d->events, EVENT_START, NULL, NULL,
		      EVENT_VALUES(EVENT_TEXT("version", LB4_VERSION),
				   EVENT_NUMBER("workers", d->n_workers),
				   EVENT_NUMBER("max_connections", d->limit.max)),
		      "lb4 %s is ready: %u worker%s, up to %u connections", LB4_VERSION,
		      d->n_workers, d->n_workers == 1 ? "" : "s", d->limit.max);
	supervision_ready(d);
}

int daemon_run(struct config *config, const char *config_path)
{
	_cleanup_(closep) int signals = -1;
	struct daemon d = {
		.config = config,
		.config_path = config_path ? strdup(config_path) : NULL,
		.n_workers = config->workers ? config->workers : count_cpus(),
		.reports = MAILBOX_INIT,
		.now = clock_now(),
		.deadline = 0,
		.started_at = clock_now(),
		.started_wall = clock_wall(),
		.stop_deadline = NSEC_NEVER,
		.keeping = {.file = STATE_FILE_INIT},
	};
	int r;

	log_set_level(config->log_level);
	events_init(&d.events, d.started_wall);
	supervision_init(&d.supervision);
	if (getrandom(&d.secret, sizeof(d.secret), 0) != sizeof(d.secret))
		d.secret = clock_wall(); /* a kernel without randomness; better than a constant */
	signals = open_signals();
	if (signals < 0) {
		log_error("cannot take signals: %s", strerrordesc_np(-signals));
		r = signals;
	} else {
		r = start(&d, config);
	}
	if (r >= 0) {
		tell_start(&d);
		loop(&d, signals);
		events_record(&d.events, EVENT_STOPPED, NULL, NULL, NULL, "stopped");
	}
	finish(&d);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
