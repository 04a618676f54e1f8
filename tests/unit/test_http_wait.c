// SPDX-License-Identifier: BSD-2-Clause
/* io/http_server: requests that wait until something happens. Client and server on one thread. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cleanup.h"
#include "http_client.h"
#include "http_server.h"
#include "unix_socket.h"

#include "test.h"

#define CONNECTIONS_MAX 4
#define WAITING_MAX	2
#define REQUEST_TIME	(700 * NSEC_PER_MSEC)

static const char *news; /* NULL: none yet */
static unsigned n_asked; /* times that the handler was called */
static nsec_t longest;

static void answer_text(struct http_response *ret, const char *text)
{
	ret->content_type = "text/plain";
	ret->body = strdup(text);
	ret->size = strlen(text);
}

static void get_news(void *context, const struct http_request *q, struct http_response *ret)
{
	(void)context;
	n_asked++;
	if (!news && !q->waited)
		ret->wait = longest;
	else
		answer_text(ret, news ? news : "nothing");
}

static void get_now(void *context, const struct http_request *q, struct http_response *ret)
{
	(void)context;
	(void)q;
	answer_text(ret, "now");
}

/* Its work is done once; its answer waits for news. */
static unsigned n_done, n_freed;

static bool settle(void *context, struct http_response *r, bool last)
{
	(void)context;
	n_asked++;
	if (!news && !last)
		return false;
	r->free(r->stream);
	*r = (struct http_response){.status = 201};
	answer_text(r, news ? news : "not yet");
	return true;
}

static void free_stream(void *stream)
{
	assert_ptr_equal(stream, &n_done);
	n_freed++;
}

static void post_work(void *context, const struct http_request *q, struct http_response *ret)
{
	(void)context;
	(void)q;
	n_done++;
	ret->wait = longest;
	ret->settle = settle;
	ret->stream = &n_done;
	ret->free = free_stream;
}

static void refuse(unsigned status, const char *error, const char *hint, struct http_response *ret)
{
	(void)status;
	(void)hint;
	answer_text(ret, error);
}

static const struct http_route routes[] = {
	{"GET", "/news", NULL, get_news},
	{"POST", "/news", NULL, get_news},
	{"GET", "/now", NULL, get_now},
	{"POST", "/work", NULL, post_work},
};

struct fixture {
	char directory[64], path[128];
	struct unix_socket socket;
	struct http_server *server;
	struct pump pump;
	struct http_client clients[CONNECTIONS_MAX];
};

static int server_fd(void *server)
{
	return http_server_fd(server);
}

static nsec_t server_deadline(void *server, nsec_t now)
{
	return http_server_deadline(server, now);
}

static void server_run(void *server)
{
	http_server_run(server, clock_now());
}

static int setup(void **state)
{
	static const struct http_server_options options = {
		.routes = routes,
		.n_routes = ARRAY_SIZE(routes),
		.refuse = refuse,
		.connections_max = CONNECTIONS_MAX,
		.header_max = 8192,
		.body_max = 100,
		.bodies_max = 1000,
		.waiting_max = WAITING_MAX,
		.request_time = REQUEST_TIME,
	};
	struct fixture *f = calloc(1, sizeof(*f));

	news = NULL;
	n_asked = n_done = n_freed = 0;
	longest = 20 * NSEC_PER_SEC;
	strcpy(f->directory, "/tmp/lb4-test-wait-XXXXXX");
	assert_non_null(mkdtemp(f->directory));
	snprintf(f->path, sizeof(f->path), "%s/lb4.sock", f->directory);
	f->socket = (struct unix_socket)UNIX_SOCKET_INIT;
	assert_int_equal(unix_socket_open(f->path, &f->socket), 0);
	assert_int_equal(http_server_open(&options, take_fd(f->socket.fd), &f->server), 0);
	f->pump = (struct pump){server_fd, server_deadline, server_run, f->server};
	for (size_t i = 0; i < CONNECTIONS_MAX; i++)
		http_client_open(&f->clients[i], f->path);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < CONNECTIONS_MAX; i++)
		http_client_deinit(&f->clients[i]);
	http_server_close(f->server);
	unix_socket_deinit(&f->socket);
	assert_int_equal(rmdir(f->directory), 0);
	free(f);
	return 0;
}

struct waiting {
	const struct http_server *server;
	unsigned n;
};

static bool wait_is(void *context)
{
	struct waiting *w = context;

	return http_server_waiting(w->server) == w->n;
}

static bool n_wait(struct fixture *f, unsigned n)
{
	return pump_until(&f->pump, wait_is, &(struct waiting){f->server, n});
}

/* Client `i` asks; `n` wait then. */
static void ask(struct fixture *f, size_t i, unsigned n)
{
	static const char request[] = "GET /news HTTP/1.1\r\nHost: x\r\n\r\n";

	assert_true(http_client_send(&f->pump, &f->clients[i], request, strlen(request)));
	assert_true(n_wait(f, n));
}

static void is_told(struct fixture *f, size_t i, int status, const char *text)
{
	_cleanup_(freep) char *body = NULL;

	assert_int_equal(http_client_answer(&f->pump, &f->clients[i], &body), status);
	assert_string_equal(body, text);
}

static void happen(struct fixture *f, const char *what)
{
	news = what;
	http_server_wake(f->server);
}

static void hears_when_it_happens(void **state)
{
	struct fixture *f = *state;

	ask(f, 0, 1);
	assert_int_equal(n_asked, 1);
	assert_true(pump_idle(&f->pump, 100) < 10); /* it does not spin */
	/* Woken in vain it waits on. */
	http_server_wake(f->server);
	assert_true(pump_idle(&f->pump, 100) < 10);
	assert_int_equal(n_asked, 2);
	assert_true(n_wait(f, 1));
	happen(f, "fire");
	is_told(f, 0, 200, "fire");
	assert_int_equal(http_server_waiting(f->server), 0);
	/* And again on the same connection, many times. */
	for (int i = 0; i < 20; i++) {
		news = NULL;
		ask(f, 0, 1);
		happen(f, "water");
		is_told(f, 0, 200, "water");
	}
}

static void nothing_happens(void **state)
{
	struct fixture *f = *state;
	nsec_t begun = clock_now();

	longest = 100 * NSEC_PER_MSEC;
	ask(f, 0, 1);
	http_server_wake(f->server); /* which begins no time anew */
	is_told(f, 0, 200, "nothing");
	assert_true(clock_now() - begun >= longest);
	assert_true(clock_now() - begun < 4 * NSEC_PER_SEC);
}

/* A wait has the time of a request for itself, however old the connection is. */
static void the_limit_of_requests_counts_from_the_wait(void **state)
{
	struct fixture *f = *state;
	nsec_t until = clock_now() + REQUEST_TIME * 3 / 4;

	http_server_run(f->server, clock_now());
	while (clock_now() < until)
		pump_idle(&f->pump, 1);
	longest = REQUEST_TIME * 3 / 4;
	ask(f, 0, 1);
	is_told(f, 0, 200, "nothing");
}

static void others_are_served_meanwhile(void **state)
{
	static const char request[] = "GET /now HTTP/1.1\r\nHost: x\r\n\r\n";
	struct fixture *f = *state;

	ask(f, 0, 1);
	ask(f, 1, 2);
	for (int i = 0; i < 10; i++) {
		assert_true(http_client_send(&f->pump, &f->clients[2], request, strlen(request)));
		is_told(f, 2, 200, "now");
	}
	assert_int_equal(http_server_waiting(f->server), 2);
	happen(f, "fire");
	is_told(f, 0, 200, "fire");
	is_told(f, 1, 200, "fire");
}

static void too_many_wait(void **state)
{
	struct fixture *f = *state;

	ask(f, 0, 1);
	ask(f, 1, 2);
	ask(f, 2, 2);
	is_told(f, 2, 503, "too many clients wait already");
	/* One goes, and its place is free at once. */
	http_client_deinit(&f->clients[0]);
	assert_true(n_wait(f, 1));
	ask(f, 3, 2);
	happen(f, "fire");
	is_told(f, 1, 200, "fire");
	is_told(f, 3, 200, "fire");
}

/* What says it sends no more has most likely gone. */
static void half_closed_clients_wait_no_more(void **state)
{
	struct fixture *f = *state;

	ask(f, 0, 1);
	shutdown(f->clients[0].fd, SHUT_WR);
	assert_true(n_wait(f, 0));
	assert_true(http_client_wait_end(&f->pump, &f->clients[0]));
}

static void bodies_are_kept(void **state)
{
	static const char request[] =
		"POST /news HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello";
	struct fixture *f = *state;

	assert_true(http_client_send(&f->pump, &f->clients[0], request, strlen(request)));
	assert_true(n_wait(f, 1));
	happen(f, "fire");
	is_told(f, 0, 200, "fire");
}

static void closing_tells_those_who_wait(void **state)
{
	struct fixture *f = *state;

	ask(f, 0, 1);
	ask(f, 1, 2);
	http_client_deinit(&f->clients[1]); /* and one that is gone */
	f->server = http_server_close(f->server);
	f->pump.run = NULL;
	is_told(f, 0, 200, "nothing");
}

/* Who has been told something a moment ago is about to ask again: it hears the end, too. */
static void closing_waits_for_those_who_waited(void **state)
{
	static const char request[] = "GET /news HTTP/1.1\r\nHost: x\r\n\r\n";
	struct fixture *f = *state;

	ask(f, 0, 1);
	happen(f, "fire");
	is_told(f, 0, 200, "fire");
	news = "the end";
	assert_int_equal(send(f->clients[0].fd, request, strlen(request), 0), strlen(request));
	f->server = http_server_close(f->server);
	f->pump.run = NULL;
	is_told(f, 0, 200, "the end");
}

static void order(struct fixture *f, size_t i)
{
	static const char request[] = "POST /work HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n";

	assert_true(http_client_send(&f->pump, &f->clients[i], request, strlen(request)));
}

static void work_is_done_once(void **state)
{
	struct fixture *f = *state;

	order(f, 0);
	assert_true(n_wait(f, 1));
	http_server_wake(f->server);
	assert_true(pump_idle(&f->pump, 100) < 10);
	assert_int_equal(n_done, 1);
	assert_int_equal(n_freed, 0);
	happen(f, "written");
	is_told(f, 0, 201, "written");
	assert_int_equal(n_done, 1);
	assert_int_equal(n_freed, 1);
	/* Who need not wait, does not. */
	order(f, 0);
	is_told(f, 0, 201, "written");
	assert_int_equal(n_done, 2);
	/* And not for ever. */
	news = NULL;
	longest = 50 * NSEC_PER_MSEC;
	order(f, 0);
	is_told(f, 0, 201, "not yet");
	assert_int_equal(n_freed, 3);
}

/* What is done cannot be refused any more; and it takes no place of those who wait for news. */
static void work_has_no_limit_of_its_own(void **state)
{
	struct fixture *f = *state;

	ask(f, 0, 1);
	ask(f, 1, 2);
	order(f, 2);
	assert_true(n_wait(f, 3));
	http_client_deinit(&f->clients[0]);
	assert_true(n_wait(f, 2));
	ask(f, 3, 3);
	http_client_deinit(&f->clients[2]); /* nobody hears that it is done */
	assert_true(n_wait(f, 2));
	assert_int_equal(n_done, 1);
	assert_int_equal(n_freed, 1);
	order(f, 1); /* behind its question */
	happen(f, "fire");
	is_told(f, 1, 200, "fire");
	is_told(f, 3, 200, "fire");
	is_told(f, 1, 201, "fire");
}

static void closing_settles(void **state)
{
	struct fixture *f = *state;

	order(f, 0);
	assert_true(n_wait(f, 1));
	f->server = http_server_close(f->server);
	f->pump.run = NULL;
	is_told(f, 0, 201, "not yet");
	assert_int_equal(n_freed, 1);
}

#define WAIT_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		WAIT_TEST(hears_when_it_happens),
		WAIT_TEST(nothing_happens),
		WAIT_TEST(the_limit_of_requests_counts_from_the_wait),
		WAIT_TEST(others_are_served_meanwhile),
		WAIT_TEST(too_many_wait),
		WAIT_TEST(half_closed_clients_wait_no_more),
		WAIT_TEST(bodies_are_kept),
		WAIT_TEST(closing_tells_those_who_wait),
		WAIT_TEST(closing_waits_for_those_who_waited),
		WAIT_TEST(work_is_done_once),
		WAIT_TEST(work_has_no_limit_of_its_own),
		WAIT_TEST(closing_settles),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
