// SPDX-License-Identifier: BSD-2-Clause
/* io/http_server and io/unix_socket: client and server on one thread. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"
#include "http_client.h"
#include "http_server.h"
#include "unix_socket.h"

#include "test.h"

#define BODY_MAX	20000
#define CONNECTIONS_MAX 4
#define STREAM_SIZE	1000000		      /* more than a socket holds */
#define REQUEST_TIME	(700 * NSEC_PER_MSEC) /* for any request here, sanitizers or not */

static void answer_text(struct http_response *ret, const char *text)
{
	ret->content_type = "text/plain";
	ret->body = strdup(text);
	ret->size = strlen(text);
}

/* "method path a=.. b=.. body size" */
static void echo(void *context, const struct http_request *q, struct http_response *ret)
{
	const char *a = http_request_value(q, "a"), *b = http_request_value(q, "b");
	char text[1024];

	(void)context;
	snprintf(text, sizeof(text), "%s %s a=%s b=%s body=%.20s size=%zu", q->method, q->path,
		 a ? a : "-", b ? b : "-", q->body, q->body_size);
	answer_text(ret, text);
}

struct stream {
	size_t sent;
};

static unsigned n_streams;

static size_t stream_read(void *context, char *buffer, size_t size)
{
	struct stream *s = context;
	size_t n = STREAM_SIZE - s->sent < size ? STREAM_SIZE - s->sent : size;

	memset(buffer, 's', n);
	s->sent += n;
	return n;
}

static void stream_free(void *context)
{
	n_streams--;
	free(context);
}

static void stream(void *context, const struct http_request *q, struct http_response *ret)
{
	(void)context;
	(void)q;
	n_streams++;
	ret->stream = calloc(1, sizeof(struct stream));
	ret->read = stream_read;
	ret->free = stream_free;
}

static void refuse(unsigned status, const char *error, const char *hint, struct http_response *ret)
{
	char text[1024];

	snprintf(text, sizeof(text), "%u|%s|%s", status, error, hint ? hint : "-");
	answer_text(ret, text);
}

static const char *const query_ab[] = {"a", "b", NULL};

static const struct http_route routes[] = {
	{"GET", "/v1/echo", query_ab, echo},
	{"POST", "/v1/echo", NULL, echo},
	{"GET", "/v1/stream", NULL, stream},
	{"POST", "/v1/things/{a}/parts/{b}", NULL, echo},
	{"DELETE", "/v1/things/{a}/parts/{b}", NULL, echo},
	{"POST", "/v1/things/{a}/parts/{b}/drain", NULL, echo},
	{"POST", "/v1/things/{a}/parts/{b}/disable", NULL, echo},
};

struct fixture {
	char directory[64], path[128];
	struct unix_socket socket;
	struct http_server *server;
	struct pump pump;
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

static int setup_with(void **state, nsec_t request_time)
{
	const struct http_server_options options = {
		.routes = routes,
		.n_routes = ARRAY_SIZE(routes),
		.refuse = refuse,
		.connections_max = CONNECTIONS_MAX,
		.header_max = 8192,
		.body_max = BODY_MAX,
		.bodies_max = 2 * (BODY_MAX + 1), /* two of the largest */
		.request_time = request_time,
	};
	struct fixture *f = calloc(1, sizeof(*f));

	strcpy(f->directory, "/tmp/lb4-test-http-XXXXXX");
	assert_non_null(mkdtemp(f->directory));
	snprintf(f->path, sizeof(f->path), "%s/s/lb4.sock", f->directory);
	f->socket = (struct unix_socket)UNIX_SOCKET_INIT;
	assert_int_equal(unix_socket_open(f->path, &f->socket), 0);
	assert_int_equal(http_server_open(&options, take_fd(f->socket.fd), &f->server), 0);
	f->pump = (struct pump){server_fd, server_deadline, server_run, f->server};
	*state = f;
	return 0;
}

static int setup(void **state)
{
	return setup_with(state, REQUEST_TIME);
}

/* For what takes as long as the machine does. */
static int setup_patient(void **state)
{
	return setup_with(state, 60 * NSEC_PER_SEC);
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	char directory[80];

	http_server_close(f->server);
	unix_socket_deinit(&f->socket);
	assert_int_equal(access(f->path, F_OK), -1);
	snprintf(directory, sizeof(directory), "%s/s", f->directory);
	assert_int_equal(rmdir(directory), 0);
	assert_int_equal(rmdir(f->directory), 0);
	assert_int_equal(n_streams, 0);
	free(f);
	return 0;
}

static void answers_requests(void **state)
{
	static const struct {
		const char *method, *path, *body;
		int status;
		const char *answer; /* NULL: any */
	} cases[] = {
		{"GET", "/v1/echo", NULL, 200, "GET /v1/echo a=- b=- body= size=0"},
		{"GET", "/v1/echo?b=2&a=x%20y", NULL, 200, "GET /v1/echo a=x y b=2 body= size=0"},
		{"GET", "/v1/echo?a", NULL, 200, "GET /v1/echo a= b=- body= size=0"},
		{"POST", "/v1/echo", "hello", 200, "POST /v1/echo a=- b=- body=hello size=5"},
		{"DELETE", "/v1/things/t1/parts/p%31", NULL, 200,
		 "DELETE /v1/things/t1/parts/p1 a=t1 b=p1 body= size=0"},
		{"DELETE", "/v1/things/t1/parts/p1%00x", NULL, 200,
		 "DELETE /v1/things/t1/parts/p1%00x a=t1 b=p1%00x body= size=0"},
		{"GET", "/v1/echo?colour=1", NULL, 400,
		 "400|unknown parameter \"colour\"|/v1/echo takes a, b"},
		{"GET", "/v1/echo?a=1&a=2", NULL, 400, "400|the parameter \"a\" is given twice|-"},
		{"POST", "/v1/echo?a=1", NULL, 400,
		 "400|unknown parameter \"a\"|/v1/echo takes no parameters"},
		{"GET", "/v1/nothing", NULL, 404, NULL},
		{"POST", "/v1/nothing", "with a body", 404, NULL},
		{"PUT", "/v1/echo", "x", 405,
		 "405|PUT is not for \"/v1/echo\"|use GET, HEAD, POST"},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(freep) char *answer = NULL;
		int status = http_request_once(&f->pump, f->path, cases[i].method, cases[i].path,
					       cases[i].body, &answer);

		assert_int_equal(status, cases[i].status);
		if (cases[i].answer)
			assert_string_equal(answer, cases[i].answer);
	}
}

static void keeps_connections_alive(void **state)
{
	static const char request[] =
		"POST /v1/echo HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n"
		"ab";
	static const char lost[] = "POST /v1/lost HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n"
				   "ab";
	struct fixture *f = *state;
	struct http_client c;

	http_client_open(&c, f->path);
	for (int i = 0; i < 3; i++) {
		assert_true(http_client_send(&f->pump, &c, request, strlen(request)));
		assert_int_equal(http_client_answer(&f->pump, &c, NULL), 200);
		assert_true(http_client_send(&f->pump, &c, lost, strlen(lost)));
		assert_int_equal(http_client_answer(&f->pump, &c, NULL), 404);
	}
	http_client_deinit(&c);
}

static void tells_allowed_methods(void **state)
{
	static const char request[] = "PUT /v1/echo HTTP/1.1\r\nHost: x\r\n\r\n";
	struct fixture *f = *state;
	struct http_client c;

	http_client_open(&c, f->path);
	assert_true(http_client_send(&f->pump, &c, request, strlen(request)));
	assert_int_equal(http_client_answer(&f->pump, &c, NULL), 405);
	assert_non_null(strstr(c.head, "\r\nAllow: GET, HEAD, POST\r\n"));
	http_client_deinit(&c);
}

/* Sends a body of `size` bytes, announced or in chunks; the status of the answer. */
static int post_bytes(struct fixture *f, size_t size, bool chunked, bool expect)
{
	_cleanup_(freep) char *body = malloc(size + 1);
	struct http_client c;
	char head[256];
	int status;

	memset(body, 'b', size);
	snprintf(head, sizeof(head),
		 chunked ? "POST /v1/echo HTTP/1.1\r\nHost: x\r\n%s"
			   "Transfer-Encoding: chunked\r\n\r\n%zx\r\n"
			 : "POST /v1/echo HTTP/1.1\r\nHost: x\r\n%sContent-Length: %zu\r\n\r\n",
		 expect ? "Expect: 100-continue\r\n" : "", size);
	http_client_open(&c, f->path);
	assert_true(http_client_send(&f->pump, &c, head, strlen(head)));
	if (!expect && http_client_send(&f->pump, &c, body, size) && chunked)
		http_client_send(&f->pump, &c, "\r\n0\r\n\r\n", 7);
	status = http_client_answer(&f->pump, &c, NULL);
	http_client_deinit(&c);
	return status;
}

static void refuses_large_bodies(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(post_bytes(f, BODY_MAX, false, false), 200);
	assert_int_equal(post_bytes(f, BODY_MAX, true, false), 200);
	assert_int_equal(post_bytes(f, BODY_MAX + 1, false, false), 413);
	assert_int_equal(post_bytes(f, BODY_MAX + 1, true, false), 413);
	assert_int_equal(post_bytes(f, 5000000, false, false), 413);
	/* Without a byte of the body having been sent. */
	assert_int_equal(post_bytes(f, BODY_MAX + 1, false, true), 413);
	/* The server goes on. */
	assert_int_equal(post_bytes(f, 1, false, false), 200);
}

static void bounds_all_bodies(void **state)
{
	static const char head[] =
		"POST /v1/echo HTTP/1.1\r\nHost: x\r\nContent-Length: 20000\r\n\r\n";
	static char body[BODY_MAX];
	struct fixture *f = *state;
	struct http_client slow[2];

	memset(body, 'b', sizeof(body));
	for (size_t i = 0; i < ARRAY_SIZE(slow); i++) {
		http_client_open(&slow[i], f->path);
		http_client_send(&f->pump, &slow[i], head, strlen(head));
		http_client_send(&f->pump, &slow[i], body, sizeof(body) - 1);
		pump_idle(&f->pump, 100);
	}
	assert_int_equal(post_bytes(f, 1000, false, false), 503);
	for (size_t i = 0; i < ARRAY_SIZE(slow); i++) {
		assert_true(http_client_send(&f->pump, &slow[i], body, 1));
		assert_int_equal(http_client_answer(&f->pump, &slow[i], NULL), 200);
		http_client_deinit(&slow[i]);
	}
	assert_int_equal(post_bytes(f, 1000, false, false), 200);
}

static void refuses_large_heads(void **state)
{
	static char request[20000];
	struct fixture *f = *state;
	struct http_client c;
	int status;

	memset(request, 'h', sizeof(request));
	memcpy(request, "GET /v1/echo HTTP/1.1\r\nX: ", 26);
	http_client_open(&c, f->path);
	http_client_send(&f->pump, &c, request, sizeof(request));
	status = http_client_answer(&f->pump, &c, NULL);
	assert_true(status >= 400 && status < 500);
	assert_true(http_client_wait_end(&f->pump, &c));
	http_client_deinit(&c);
}

static void ends_garbage(void **state)
{
	static const char *const garbage[] = {
		"\r\n\r\n\r\n",
		"nonsense\r\n\r\n",
		"\x16\x03\x01\x02\x01garbage\r\n\r\n",
		"POST /v1/echo HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
		"POST /v1/echo HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n",
		"POST /v1/echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
		"GET /v1/echo HTTP/9.9\r\n\r\n",
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(garbage); i++) {
		struct http_client c;

		http_client_open(&c, f->path);
		http_client_send(&f->pump, &c, garbage[i], strlen(garbage[i]));
		assert_true(http_client_wait_end(&f->pump, &c));
		http_client_deinit(&c);
	}
	assert_int_equal(post_bytes(f, 1, false, false), 200);
}

static void slow_clients_stall_nobody(void **state)
{
	struct fixture *f = *state;
	struct http_client silent, halfway;
	nsec_t begun = clock_now();

	http_client_open(&silent, f->path);
	http_client_open(&halfway, f->path);
	assert_true(http_client_send(&f->pump, &halfway, "POST /v1/echo HTT", 17));
	for (int i = 0; i < 20; i++)
		assert_int_equal(
			http_request_once(&f->pump, f->path, "GET", "/v1/echo", NULL, NULL), 200);
	/* They end when their time is over, not before. */
	assert_true(http_client_wait_end(&f->pump, &silent));
	assert_true(http_client_wait_end(&f->pump, &halfway));
	assert_true(clock_now() - begun >= REQUEST_TIME);
	http_client_deinit(&silent);
	http_client_deinit(&halfway);
}

/* A byte now and then does not prolong a request's time. */
static void trickling_does_not_help(void **state)
{
	static const char request[] = "GET /v1/echo HTTP/1.1\r\nX-Trickle: ";
	struct fixture *f = *state;
	struct http_client c;
	nsec_t begun = clock_now();
	size_t i = 0;

	http_client_open(&c, f->path);
	assert_true(http_client_send(&f->pump, &c, request, strlen(request)));
	while (http_client_send(&f->pump, &c, "x", 1)) {
		nsec_t next = clock_now() + REQUEST_TIME / 10;

		assert_true(clock_now() - begun < 20 * REQUEST_TIME);
		while (clock_now() < next)
			pump_idle(&f->pump, 10);
		i++;
	}
	assert_true(i >= 5);
	http_client_deinit(&c);
}

static void streams(void **state)
{
	struct fixture *f = *state;
	_cleanup_(freep) char *body = NULL;

	assert_int_equal(http_request_once(&f->pump, f->path, "GET", "/v1/stream", NULL, &body),
			 200);
	assert_int_equal(strlen(body), STREAM_SIZE);
	assert_int_equal(strspn(body, "s"), STREAM_SIZE);
	assert_int_equal(http_request_once(&f->pump, f->path, "HEAD", "/v1/stream", NULL, NULL),
			 200);
}

/* Who does not read an answer holds it, costs nothing, and is ended. */
static void unread_answers_do_not_spin(void **state)
{
	static const char request[] = "GET /v1/stream HTTP/1.1\r\nHost: x\r\n\r\n";
	struct fixture *f = *state;
	struct http_client c;
	nsec_t now;

	http_client_open(&c, f->path);
	assert_true(http_client_send(&f->pump, &c, request, strlen(request)));
	assert_true(pump_idle(&f->pump, 1000) < 1000);
	assert_int_equal(n_streams, 1);
	now = clock_now();
	assert_true(http_server_deadline(f->server, now) > now);
	assert_int_equal(http_request_once(&f->pump, f->path, "GET", "/v1/echo", NULL, NULL), 200);
	while (n_streams)
		assert_true(http_client_wait_end(&f->pump, &c));
	http_client_deinit(&c);
}

static void clients_wait_their_turn(void **state)
{
	struct fixture *f = *state;
	struct http_client c[CONNECTIONS_MAX + 1];

	for (size_t i = 0; i < ARRAY_SIZE(c); i++)
		http_client_open(&c[i], f->path);
	/* The one that waits makes nobody spin. */
	assert_true(pump_idle(&f->pump, 1000) < 1000);
	/* Served once one of the silent ones has been ended. */
	assert_int_equal(http_request_once(&f->pump, f->path, "GET", "/v1/echo", NULL, NULL), 200);
	for (size_t i = 0; i < ARRAY_SIZE(c); i++)
		http_client_deinit(&c[i]);
}

/* One operator gets in when the process has no descriptor left, the next waits, nothing spins. */
static void serves_without_descriptors(void **state)
{
	struct fixture *f = *state;
	struct http_client c, waiting;
	struct rlimit before, now;
	static const char request[] = "GET /v1/echo HTTP/1.1\r\nHost: x\r\n\r\n";
	int next;

	http_client_open(&c, f->path);
	http_client_open(&waiting, f->path);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	next = dup(0);
	assert_true(next >= 0);
	close(next);
	now = before;
	now.rlim_cur = (rlim_t)next;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &now), 0);

	assert_true(http_client_send(&f->pump, &c, request, strlen(request)));
	assert_int_equal(http_client_answer(&f->pump, &c, NULL), 200);
	assert_true(pump_idle(&f->pump, 1000) < 1000);

	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_true(http_client_send(&f->pump, &waiting, request, strlen(request)));
	assert_int_equal(http_client_answer(&f->pump, &waiting, NULL), 200);
	http_client_deinit(&c);
	http_client_deinit(&waiting);
}

/* Another process that asks, reads once `go` is closed, and exits 0 when it got everything. */
static pid_t slow_reader(const char *path, int go[2])
{
	static const char request[] = "GET /v1/stream HTTP/1.1\r\nHost: x\r\n\r\n";
	static char answer[2 * STREAM_SIZE];
	struct http_client c;
	size_t size = 0;
	ssize_t n;
	pid_t pid = fork();

	if (pid)
		return pid;
	close(go[1]);
	http_client_open(&c, path);
	if (send(c.fd, request, strlen(request), MSG_NOSIGNAL) < 0 || read(go[0], answer, 1) != 0)
		_exit(1);
	fcntl(c.fd, F_SETFL, 0); /* blocking */
	while ((n = read(c.fd, answer + size, sizeof(answer) - size)) > 0)
		size += (size_t)n;
	_exit(size > STREAM_SIZE && !memcmp(answer + size - 5, "0\r\n\r\n", 5) ? 0 : 2);
}

static bool stream_begun(void *context)
{
	(void)context;
	return n_streams == 1;
}

static void closing_delivers_answers(void **state)
{
	struct fixture *f = *state;
	int go[2], status;
	pid_t pid;

	assert_int_equal(pipe(go), 0);
	pid = slow_reader(f->path, go);
	assert_true(pid > 0);
	assert_true(pump_until(&f->pump, stream_begun, NULL));
	/* The answer is more than the socket takes. */
	assert_true(pump_idle(&f->pump, 1000) < 1000);
	close(go[0]);
	close(go[1]);
	f->server = http_server_close(f->server);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void sockets_are_private(void **state)
{
	struct fixture *f = *state;
	struct stat st;

	assert_int_equal(stat(f->path, &st), 0);
	assert_true(S_ISSOCK(st.st_mode));
	assert_int_equal(st.st_mode & 0777, 0660);
}

static void live_sockets_are_not_replaced(void **state)
{
	struct fixture *f = *state;
	struct unix_socket s = UNIX_SOCKET_INIT;

	assert_int_equal(unix_socket_open(f->path, &s), -EADDRINUSE);
	assert_int_equal(http_request_once(&f->pump, f->path, "GET", "/v1/echo", NULL, NULL), 200);
}

static void dead_sockets_are_replaced(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	struct unix_socket s = UNIX_SOCKET_INIT, other = UNIX_SOCKET_INIT;
	char path[100];
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(path, sizeof(path), "%s/dead", f->directory);
	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", path);
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	close(fd);
	assert_int_equal(unix_socket_open(path, &s), 0);
	/* What stands in its place by the time it ends is left alone. */
	assert_int_equal(unlink(path), 0);
	assert_int_equal(unix_socket_open(path, &other), 0);
	unix_socket_deinit(&s);
	assert_int_equal(access(path, F_OK), 0);
	unix_socket_deinit(&other);
	assert_int_equal(access(path, F_OK), -1);
}

static void impossible_sockets(void **state)
{
	struct fixture *f = *state;
	struct unix_socket s = UNIX_SOCKET_INIT;
	char path[200];

	snprintf(path, sizeof(path), "%s/file", f->directory);
	close(open(path, O_CREAT | O_WRONLY, 0600));
	assert_int_equal(unix_socket_open(path, &s), -EEXIST);
	assert_int_equal(unlink(path), 0);
	snprintf(path, sizeof(path), "%s/not/there/s", f->directory);
	assert_int_equal(unix_socket_open(path, &s), -ENOENT);
	assert_int_equal(unix_socket_open("", &s), -EINVAL);
	memset(path, 'x', 150);
	path[150] = '\0';
	assert_int_equal(unix_socket_open(path, &s), -ENAMETOOLONG);
	assert_int_equal(s.fd, -1);
	unix_socket_deinit(&s);
}

#define SERVER_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		SERVER_TEST(answers_requests),
		SERVER_TEST(keeps_connections_alive),
		SERVER_TEST(tells_allowed_methods),
		SERVER_TEST(refuses_large_bodies),
		SERVER_TEST(bounds_all_bodies),
		SERVER_TEST(refuses_large_heads),
		SERVER_TEST(ends_garbage),
		SERVER_TEST(slow_clients_stall_nobody),
		SERVER_TEST(trickling_does_not_help),
		cmocka_unit_test_setup_teardown(streams, setup_patient, teardown),
		SERVER_TEST(unread_answers_do_not_spin),
		SERVER_TEST(clients_wait_their_turn),
		SERVER_TEST(serves_without_descriptors),
		SERVER_TEST(closing_delivers_answers),
		SERVER_TEST(sockets_are_private),
		SERVER_TEST(live_sockets_are_not_replaced),
		SERVER_TEST(dead_sockets_are_replaced),
		SERVER_TEST(impossible_sockets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
