// SPDX-License-Identifier: BSD-2-Clause
/* The fake kernel's system calls on sockets: writes, and splicing through pipes. */
#include <errno.h>
#include <stdlib.h>

#include "fake_private.h"
#include "pipe.h"
#include "socket.h"

#define PIPE_ROOM 100000u

struct pipes {
	uint32_t n_max, n_taken;
};

struct fake_pipe {
	struct pipe pipe; /* first: found from it */
	uint8_t data[PIPE_ROOM];
	uint32_t first; /* byte that is in it */
};

struct pipes *pipes_new(uint32_t n_max)
{
	struct pipes *p = calloc(1, sizeof(*p));

	assert_non_null(p);
	p->n_max = n_max;
	return p;
}

struct pipes *pipes_free(struct pipes *p)
{
	if (p)
		fake_check(p->n_taken == 0, "%u pipes were not given back", p->n_taken);
	free(p);
	return NULL;
}

struct pipe *pipes_take(struct pipes *p)
{
	struct fake_pipe *pipe;

	if (p->n_taken == p->n_max || (fake.chaos && fake_chance(5)))
		return NULL;
	pipe = calloc(1, sizeof(*pipe));
	assert_non_null(pipe);
	p->n_taken++;
	return &pipe->pipe;
}

void pipes_give(struct pipes *p, struct pipe *pipe)
{
	fake_check(p->n_taken > 0, "a pipe is given back twice");
	p->n_taken--;
	free(pipe);
}

bool pipes_trim(struct pipes *p)
{
	return p->n_taken > 0;
}

bool pipes_available(const struct pipes *p)
{
	return p && p->n_taken < p->n_max;
}

uint32_t pipes_taken(const struct pipes *p)
{
	return p->n_taken;
}

static struct fake_socket *find_nonblocking(int fd, enum fake_kind kind)
{
	struct fake_socket *s = fake_find(fd);

	fake_check(s->nonblocking, "a call on descriptor %d could block", fd);
	fake_check(!s->busy[kind], "a call on descriptor %d competes with the ring", fd);
	return s;
}

/* As many of `n` as a call takes; -errno when it takes none. */
static ssize_t cut(ssize_t n)
{
	if (n > 0 && fake.chaos && fake_chance(3))
		return -EINTR;
	if (n > 0 && fake.chaos && fake_chance(30))
		return 1 + fake_random((uint32_t)n);
	return n;
}

static int take_error(struct fake_socket *s, int otherwise)
{
	int error = s->error ? -s->error : otherwise;

	s->error = 0;
	return error;
}

static ssize_t read_bytes(struct fake_socket *s, uint8_t *data, size_t size)
{
	uint64_t there = s->written - s->read;
	ssize_t n = cut((ssize_t)(there < size ? there : size));

	if (there == 0)
		return s->fin ? 0 : s->dead ? take_error(s, 0) : -EAGAIN;
	for (ssize_t i = 0; i < n; i++)
		data[i] = fake_peer_byte(s, s->read + (uint64_t)i);
	s->read += n > 0 ? (uint64_t)n : 0;
	return n;
}

ssize_t pipe_fill(struct pipe *pipe, int fd)
{
	struct fake_pipe *p = (struct fake_pipe *)pipe;
	ssize_t n = read_bytes(find_nonblocking(fd, FAKE_RECEIVE), p->data, PIPE_ROOM);

	fake_check(pipe->size == 0, "a pipe is filled that is not empty");
	if (n > 0)
		pipe->size = (uint32_t)n;
	p->first = 0;
	return n;
}

static ssize_t write_bytes(struct fake_socket *s, const uint8_t *data, size_t size)
{
	ssize_t n = cut((ssize_t)(size < s->room ? size : s->room));

	fake_check(!s->shut, "bytes to descriptor %d after FIN", s->fd);
	fake_check(size > 0, "no bytes to descriptor %d", s->fd);
	if (s->dead)
		return take_error(s, -EPIPE);
	if (n == 0)
		return -EAGAIN;
	if (n > 0)
		fake_accept_bytes(s, data, (uint64_t)n);
	return n;
}

ssize_t pipe_drain(struct pipe *pipe, int fd)
{
	struct fake_pipe *p = (struct fake_pipe *)pipe;
	struct fake_socket *s = find_nonblocking(fd, FAKE_SEND);
	ssize_t n = write_bytes(s, p->data + p->first, pipe->size);

	if (n > 0) {
		p->first += (uint32_t)n;
		pipe->size -= (uint32_t)n;
	}
	return n;
}

ssize_t socket_read(int fd, void *data, size_t size)
{
	struct fake_socket *s = fake_find(fd);

	fake_check(!s->busy[FAKE_RECEIVE], "a call on descriptor %d competes with the ring", fd);
	return read_bytes(s, data, size);
}

ssize_t socket_write(int fd, const void *data, size_t size)
{
	struct fake_socket *s = fake_find(fd);

	fake_check(!s->busy[FAKE_SEND], "a call on descriptor %d competes with the ring", fd);
	fake_check(fake_is_buffer(data), "descriptor %d is sent what is in no buffer", fd);
	return write_bytes(s, data, size);
}

void socket_set_nonblocking(int fd, bool nonblocking)
{
	fake_find(fd)->nonblocking = nonblocking;
}
