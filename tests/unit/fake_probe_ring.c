// SPDX-License-Identifier: BSD-2-Clause
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "fake_probe_ring.h"
#include "lb4_check.h"
#include "socket.h"

#include "test.h"

#define OPERATIONS_MAX	 1024
#define BUFFERS_MAX	 4
#define FD_FIRST	 1000
#define FDS_MAX		 100000
#define CHILDREN_STARTED 1000

struct ring {
	struct fake_operation operations[OPERATIONS_MAX];
	size_t n_operations;
	void *buffers[BUFFERS_MAX];
};

int fake_socket_error;

static bool fd_open[FDS_MAX];
static int n_fds;
static unsigned n_open;

int socket_new(const struct address *address, int *ret_fd)
{
	(void)address;
	if (fake_socket_error)
		return fake_socket_error;
	assert_true(n_fds < FDS_MAX);
	fd_open[n_fds] = true;
	n_open++;
	*ret_fd = FD_FIRST + n_fds++;
	return 0;
}

uint16_t fake_ports_taken[FAKE_PORTS_TAKEN_MAX];

/* The kernel's choice is any port that has not been had. */
int socket_new_marked(const struct address *address, uint32_t mark, uint16_t *port, int *ret_fd)
{
	static uint16_t last = 40000;

	assert_int_equal(mark, LB4_CHECK_MARK);
	for (size_t i = 0; *port && i < FAKE_PORTS_TAKEN_MAX; i++)
		if (fake_ports_taken[i] == *port)
			return -EADDRINUSE;
	if (*port == 0)
		*port = ++last;
	return socket_new(address, ret_fd);
}

char fake_sent[64];
size_t fake_n_sent;
int fake_send_error;

int socket_send(int fd, const void *data, size_t size)
{
	assert_true(fd_open[fd - FD_FIRST]);
	assert_true(size <= sizeof(fake_sent));
	memcpy(fake_sent, data, size);
	fake_n_sent = size;
	return fake_send_error;
}

static struct ring *the_ring;

/* Numbers of children are those of their descriptors, so that no two are alike. */
int fake_child_error;

static struct fake_child children[CHILDREN_STARTED];
static unsigned n_children;

int child_start(char *const argv[], char *const environment[], struct child *ret)
{
	struct address any = {};

	assert_non_null(argv[0]);
	assert_non_null(environment[0]);
	if (fake_child_error)
		return fake_child_error;
	assert_true(n_children < CHILDREN_STARTED);
	*ret = (struct child)CHILD_INIT;
	assert_int_equal(socket_new(&any, &ret->events), 0);
	ret->pid = ret->events;
	children[n_children++] = (struct fake_child){.pid = ret->pid};
	return 0;
}

struct fake_child *fake_child(const struct ring *r, size_t nth)
{
	const struct fake_operation *o = fake_operation(r, nth);

	assert_int_equal(o->kind, FAKE_POLL);
	for (unsigned i = 0; i < n_children; i++)
		if (children[i].pid == o->fd)
			return &children[i];
	fail_msg("no child");
	return NULL;
}

static struct fake_child *find_child(pid_t pid)
{
	for (unsigned i = 0; i < n_children; i++)
		if (children[i].pid == pid)
			return &children[i];
	fail_msg("no child");
	return NULL;
}

size_t child_read(struct child *c, void *buffer, size_t size)
{
	struct fake_child *fake = find_child(c->events);
	size_t n = fake->says ? strlen(fake->says) : 0;

	if (n > size)
		n = size;
	if (n > 0 && !fake->says_for_ever)
		fake->says += n;
	if (n > 0)
		memcpy(buffer, fake->says_for_ever ? fake->says : fake->says - n, n);
	return n;
}

bool child_has_ended(struct child *c, struct child_end *ret)
{
	struct fake_child *fake = find_child(c->pid);

	if (!fake->ended)
		return false;
	*ret = fake->end;
	c->pid = 0;
	return true;
}

void child_kill(struct child *c)
{
	find_child(c->pid)->killed = true;
}

void child_deinit(struct child *c)
{
	assert_int_equal(c->pid, 0);
	socket_close(c->events);
	*c = (struct child)CHILD_INIT;
}

void socket_close(int fd)
{
	if (fd < 0)
		return;
	assert_in_range(fd, FD_FIRST, FD_FIRST + n_fds - 1);
	assert_true(fd_open[fd - FD_FIRST]);
	for (size_t i = 0; i < the_ring->n_operations; i++)
		assert_int_not_equal(the_ring->operations[i].fd, fd);
	fd_open[fd - FD_FIRST] = false;
	n_open--;
}

unsigned fake_n_open(void)
{
	return n_open;
}

struct ring *fake_ring_new(void)
{
	the_ring = calloc(1, sizeof(*the_ring));
	assert_non_null(the_ring);
	fake_socket_error = 0;
	fake_child_error = 0;
	n_children = 0;
	n_fds = 0;
	return the_ring;
}

void fake_ring_free(struct ring *r)
{
	assert_int_equal(r->n_operations, 0);
	assert_int_equal(n_open, 0);
	for (size_t i = 0; i < BUFFERS_MAX; i++)
		assert_null(r->buffers[i]);
	free(r);
}

static void submit(struct ring *r, enum fake_kind kind, int fd, const void *data, size_t size,
		   uint64_t token)
{
	struct fake_operation *o = &r->operations[r->n_operations++];

	assert_true(r->n_operations < OPERATIONS_MAX);
	assert_true(token != 0);
	assert_in_range(fd, FD_FIRST, FD_FIRST + n_fds - 1);
	assert_true(fd_open[fd - FD_FIRST]);
	for (size_t i = 0; i + 1 < r->n_operations; i++)
		assert_true(r->operations[i].token != token);
	*o = (struct fake_operation){
		.kind = kind, .fd = fd, .token = token, .data = data, .size = size};
	if (size) {
		o->copy = malloc(size);
		assert_non_null(o->copy);
		memcpy(o->copy, data, size);
	}
}

void ring_connect(struct ring *r, int fd, const struct sockaddr_storage *address, socklen_t length,
		  uint64_t token)
{
	submit(r, FAKE_CONNECT, fd, address, length, token);
}

void ring_send(struct ring *r, int fd, const void *data, size_t size, uint64_t token)
{
	assert_true(size > 0);
	submit(r, FAKE_SEND, fd, data, size, token);
}

void ring_poll(struct ring *r, int fd, unsigned events, uint64_t token)
{
	assert_int_equal(events, POLLIN);
	submit(r, FAKE_POLL, fd, NULL, 0, token);
}

void ring_receive(struct ring *r, int fd, size_t size, bool later, uint64_t token)
{
	(void)later;
	assert_int_equal(size, RING_BUFFER_SIZE);
	submit(r, FAKE_RECEIVE, fd, NULL, 0, token);
}

void ring_cancel(struct ring *r, uint64_t token)
{
	for (size_t i = 0; i < r->n_operations; i++) {
		if (r->operations[i].token != token)
			continue;
		assert_false(r->operations[i].cancelled);
		r->operations[i].cancelled = true;
		return;
	}
	fail_msg("cancelled what is not in the ring");
}

void ring_buffer_return(struct ring *r, uint16_t buffer)
{
	assert_in_range(buffer, 0, BUFFERS_MAX - 1);
	assert_non_null(r->buffers[buffer]);
	free(r->buffers[buffer]);
	r->buffers[buffer] = NULL;
}

size_t fake_n_operations(const struct ring *r)
{
	return r->n_operations;
}

const struct fake_operation *fake_operation(const struct ring *r, size_t nth)
{
	assert_true(nth < r->n_operations);
	return &r->operations[nth];
}

const struct fake_operation *fake_only(const struct ring *r, enum fake_kind kind)
{
	assert_int_equal(r->n_operations, 1);
	assert_int_equal(r->operations[0].kind, kind);
	return &r->operations[0];
}

uint16_t fake_port(const struct ring *r, size_t nth)
{
	const struct fake_operation *o = fake_operation(r, nth);

	assert_int_equal(o->kind, FAKE_CONNECT);
	return ntohs(((const struct sockaddr_in *)o->data)->sin_port);
}

struct ring_completion fake_complete(struct ring *r, size_t nth, int result, const void *bytes)
{
	struct fake_operation o = *fake_operation(r, nth);
	struct ring_completion c = {.token = o.token, .result = result};

	if (o.size)
		assert_memory_equal(o.data, o.copy, o.size);
	free(o.copy);
	memmove(&r->operations[nth], &r->operations[nth + 1],
		(r->n_operations - nth - 1) * sizeof(o));
	r->n_operations--;
	if (o.kind != FAKE_RECEIVE || result <= 0)
		return c;

	while (c.buffer < BUFFERS_MAX && r->buffers[c.buffer])
		c.buffer++;
	assert_true(c.buffer < BUFFERS_MAX);
	c.data = r->buffers[c.buffer] = malloc((size_t)result);
	assert_non_null(c.data);
	memcpy(c.data, bytes, (size_t)result);
	return c;
}
