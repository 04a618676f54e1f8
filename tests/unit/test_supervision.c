// SPDX-License-Identifier: BSD-2-Clause
/* The daemon and its service manager: signs of life, the status, a stop. */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon_web.h"

#include "test.h"

static int listen_as_manager(const char *name)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	strcpy(sa.sun_path + 1, name + 1);
	assert_int_equal(bind(fd, (struct sockaddr *)&sa,
			      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name))),
			 0);
	return fd;
}

/* The next that the manager was told; "" when there is nothing. */
static const char *told(int fd)
{
	static char text[512];
	ssize_t n = recv(fd, text, sizeof(text) - 1, 0);

	text[n > 0 ? n : 0] = '\0';
	return text;
}

/* To the next deadline of the supervision. */
static void supervise(struct daemon *d)
{
	assert_true(supervision_deadline(d) != NSEC_NEVER);
	d->now = supervision_deadline(d);
	supervision_run(d);
}

static int begin_supervised(struct daemon *d)
{
	char name[64];
	int fd;

	begin(d, simple);
	snprintf(name, sizeof(name), "@lb4-test-daemon-%d", getpid());
	fd = listen_as_manager(name);
	setenv("NOTIFY_SOCKET", name, 1);
	setenv("WATCHDOG_USEC", "4000000", 1);
	supervision_init(&d->supervision);
	assert_null(getenv("NOTIFY_SOCKET")); /* nobody that lb4 starts is meant */
	assert_null(getenv("WATCHDOG_USEC"));
	supervision_ready(d);
	assert_string_equal(told(fd), "READY=1\nSTATUS=services 1 of 1 up, backends 3 of 3 up");
	return fd;
}

static void end_supervised(struct daemon *d, int fd)
{
	supervision_deinit(&d->supervision);
	assert_string_equal(told(fd), "");
	close(fd);
	end(d);
}

static void a_stuck_worker_ends_the_signs_of_life(void **state)
{
	uint64_t after = 0;
	struct daemon d;
	int fd;

	(void)state;
	fd = begin_supervised(&d);
	supervise(&d); /* asks for the first time */
	for (int i = 0; i < 5; i++) {
		assert_string_equal(told(fd), "");
		supervise(&d);
		assert_string_equal(told(fd), "WATCHDOG=1");
	}
	heard.stuck[1] = true;
	for (int i = 0; i < 10; i++)
		supervise(&d);
	assert_string_equal(told(fd), "");
	assert_string_equal(events_next(&d.events, 0)->text, "worker 1 does not answer");
	assert_string_equal(news(&d, &after), "thread-stuck");
	heard.stuck[1] = false;
	supervise(&d);
	assert_string_equal(told(fd), "WATCHDOG=1");
	assert_string_equal(news(&d, &after), "thread-back");
	end_supervised(&d, fd);
}

static void the_status_follows(void **state)
{
	struct daemon d;
	int fd;

	(void)state;
	fd = begin_supervised(&d);
	d.supervision.watchdog.period = 0; /* not of interest */
	assert_int_equal(supervision_deadline(&d), NSEC_NEVER);
	check_says(&d, "a", false);
	check_says(&d, "b", false);
	supervision_run(&d);
	assert_string_equal(told(fd), ""); /* not more than once a second */
	supervise(&d);
	assert_string_equal(told(fd), "STATUS=services 1 of 1 up, backends 1 of 3 up");
	assert_int_equal(supervision_deadline(&d), NSEC_NEVER);
	drain(&d, "c", ADMIN_DISABLED, 0);
	supervise(&d);
	assert_string_equal(told(fd), ""); /* it says the same */
	end_supervised(&d, fd);
}

static void a_stop_asks_for_time(void **state)
{
	struct daemon d;
	int fd;

	(void)state;
	fd = begin_supervised(&d);
	d.supervision.watchdog.period = 0;
	d.limit.active = 3;
	daemon_stop(&d, 12 * NSEC_PER_SEC);
	assert_string_equal(told(fd), "STOPPING=1\nEXTEND_TIMEOUT_USEC=20000000\n"
				      "STATUS=stopping; connections left: 3");
	for (int i = 0; i < 2; i++) {
		supervise(&d);
		assert_string_equal(told(fd), "EXTEND_TIMEOUT_USEC=20000000\n"
					      "STATUS=stopping; connections left: 3");
	}
	/* What does not end after the deadline is given no more time. */
	d.stop_deadline = NSEC_NEVER;
	supervise(&d);
	assert_string_equal(told(fd), "");
	assert_int_equal(supervision_deadline(&d), NSEC_NEVER);
	supervision_reloading(&d);
	supervision_reloaded(&d);
	end_supervised(&d, fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_stuck_worker_ends_the_signs_of_life),
		cmocka_unit_test(the_status_follows),
		cmocka_unit_test(a_stop_asks_for_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
