// SPDX-License-Identifier: BSD-2-Clause
/* Sockets and their peers; operations and completions are in fake_ring.c. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lb4_hash.h"
#include "socket.h"

#include "fake_private.h"
#include "test.h"

/* Descriptors are never used again, so that a late use of one shows. */
#define FAKE_FD_FIRST 1000

struct fake_kernel fake;

void fake_open(uint32_t n_buffers)
{
	fake = (struct fake_kernel){
		.n_buffers = n_buffers,
		.buffers = calloc(n_buffers, sizeof(fake.buffers[0])),
		.sockets_max = SIZE_MAX,
		.new_error = -EMFILE,
		.random = 1,
	};
	assert_non_null(fake.buffers);
	list_init(&fake.pending);
	list_init(&fake.posted);
}

void fake_close(void)
{
	fake_check(fake.n_pending == 0, "%zu operations never completed", fake.n_pending);
	fake_check(fake.n_out == 0, "%u buffers were not returned", fake.n_out);
	fake_check(fake.n_open == 0, "%zu descriptors were not closed", fake.n_open);
	for (size_t i = 0; i < fake.n_sockets; i++)
		free(fake.sockets[i]);
	free(fake.sockets);
	free(fake.by_fd);
	free(fake.buffers);
	fake = (struct fake_kernel){};
}

uint32_t fake_random(uint32_t below)
{
	fake.random += 0x9e3779b97f4a7c15ULL;
	return (uint32_t)((lb4_mix64(fake.random) >> 32) * below >> 32);
}

bool fake_chance(unsigned percent)
{
	return fake_random(100) < percent;
}

uint8_t fake_byte(int id, uint64_t offset)
{
	uint64_t x = (uint64_t)id * 0x9e3779b97f4a7c15ULL + offset * 0xd6e8feb86659fd93ULL;

	return (uint8_t)(x >> 56 ^ x >> 24);
}

struct fake_socket *fake_socket_at(size_t i)
{
	return i < fake.n_sockets ? fake.sockets[i] : NULL;
}

struct fake_socket *fake_socket_of(int fd)
{
	size_t i = (size_t)fd - FAKE_FD_FIRST;

	return i < fake.n_fds ? fake.by_fd[i] : NULL;
}

size_t fake_n_fds(void)
{
	return fake.n_open - fake.n_parked;
}

struct fake_socket *fake_find(int fd)
{
	struct fake_socket *s = fake_socket_of(fd);

	fake_check(s, "descriptor %d was never made", fd);
	fake_check(!s->closed && s->fd == fd, "descriptor %d is used after its close", fd);
	return s;
}

/* Makes room for one more in an array of pointers to sockets. */
static struct fake_socket **grow(struct fake_socket **sockets, size_t n)
{
	if (n & (n - 1))
		return sockets; /* they grow when `n` is a power of two */
	sockets = reallocarray(sockets, n ? 2 * n : 1, sizeof(struct fake_socket *));
	assert_non_null(sockets);
	return sockets;
}

void fake_give_fd(struct fake_socket *s)
{
	fake.by_fd = grow(fake.by_fd, fake.n_fds);
	s->fd = FAKE_FD_FIRST + (int)fake.n_fds;
	fake.by_fd[fake.n_fds++] = s;
}

void fake_take_fd(struct fake_socket *s)
{
	s->fd = -1;
}

static struct fake_socket *socket_make(bool ours)
{
	struct fake_socket *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	fake.sockets = grow(fake.sockets, fake.n_sockets);
	s->id = (int)fake.n_sockets;
	fake_give_fd(s);
	s->ours = ours;
	s->room = UINT64_MAX;
	fake.sockets[fake.n_sockets++] = s;
	fake.n_open++;
	return s;
}

struct fake_socket *fake_client(const struct address *peer)
{
	struct fake_socket *s = socket_make(false);

	s->peer = *peer;
	s->connected = true;
	return s;
}

struct fake_socket *fake_listener(void)
{
	struct fake_socket *s = socket_make(false);

	s->listening = true;
	return s;
}

struct fake_socket *fake_arrive(struct fake_socket *listener)
{
	static uint16_t port;
	const struct address peer = {
		.ip = {[10] = 0xff, 0xff, 10, 0, 0, 2},
		.port = ++port,
	};

	if (listener->n_arrived == 0 || fake_n_fds() >= fake.sockets_max)
		return NULL;
	listener->n_arrived--;
	return fake_client(&peer);
}

void fake_write(struct fake_socket *s, uint64_t size)
{
	if (!s->dead && !s->closed && !s->fin)
		s->written += size;
}

void fake_first(struct fake_socket *s, const void *first, size_t size, size_t swallowed)
{
	assert_int_equal(s->written, 0);
	s->first = first;
	s->n_first = size;
	s->swallowed = swallowed;
}

void fake_fin(struct fake_socket *s)
{
	if (s->dead || s->closed || s->fin)
		return;
	s->fin = true;
	s->n_events++;
}

/* After the peer's FIN the kernel speaks of a broken pipe. */
void fake_rst(struct fake_socket *s)
{
	fake_die(s, s->fin ? EPIPE : ECONNRESET);
}

void fake_die(struct fake_socket *s, int error)
{
	if (s->dead || s->closed || !s->connected)
		return;
	s->dead = true;
	s->cause = s->error = error;
	s->n_events++;
}

void fake_set_room(struct fake_socket *s, uint64_t room)
{
	s->room = room;
	s->n_rooms++;
}

/* FIN is the end of a stream: the partner's must have ended, and all of it gone through. */
static void check_fin(const struct fake_socket *s)
{
	const struct fake_socket *from = s->partner;

	fake_check(s->connected && from, "FIN to descriptor %d, which has no partner", s->fd);
	fake_check(from->fin, "FIN to descriptor %d, though %d has not said it", s->fd, from->fd);
	fake_check(from->swallowed + s->accepted == from->written,
		   "FIN to descriptor %d after %llu of %llu bytes", s->fd,
		   (unsigned long long)s->accepted, (unsigned long long)from->written);
}

static void close_socket(struct fake_socket *s)
{
	fake_check(s->n_ops == 0, "descriptor %d is closed under %u operations", s->fd, s->n_ops);
	fake_check(!s->placed, "descriptor %d is closed, and still has its place", s->fd);
	s->closed = true;
	fake.n_open--;
}

int socket_new(const struct address *address, int *ret_fd)
{
	struct fake_socket *s;

	if (fake_n_fds() >= fake.sockets_max)
		return fake.new_error;
	s = socket_make(true);
	s->peer = *address;
	*ret_fd = s->fd;
	return 0;
}

static int take_error(int *error)
{
	int r = *error;

	*error = 0;
	return r;
}

int socket_tune_new(int fd, const struct service_settings *settings)
{
	fake_check(fake_find(fd)->ours, "descriptor %d is tuned by what accepted it", fd);
	assert_non_null(settings);
	return take_error(&fake.tune_error);
}

int socket_tune_keepalive(int fd, const struct keepalive *keepalive)
{
	struct fake_socket *s = fake_find(fd);

	assert_true(keepalive->idle > 0);
	fake_check(s->ours && !s->keepalive, "keepalive of descriptor %d is set twice", fd);
	s->keepalive = true;
	return take_error(&fake.tune_error);
}

int socket_tune(int fd, const struct service_settings *settings)
{
	fake_check(fake_find(fd)->listening, "descriptor %d does not listen", fd);
	assert_non_null(settings);
	return 0;
}

int socket_bind_source(int fd, const struct address *source, bool foreign)
{
	struct fake_socket *s = fake_find(fd);

	fake_check(s->ours && source->port == 0, "descriptor %d is bound", fd);
	s->source = *source;
	s->foreign = foreign;
	return take_error(&fake.bind_error);
}

int socket_retune(int fd, const struct service_settings *from, const struct service_settings *to)
{
	assert_non_null(from);
	assert_non_null(to);
	return take_error(fake_find(fd)->listening ? &fake.tune_error : &fake.client_error);
}

int socket_peer(int fd, struct address *ret)
{
	struct fake_socket *s = fake_find(fd);
	int r = take_error(&fake.client_error);

	if (s->dead)
		r = -ENOTCONN;
	if (r >= 0)
		*ret = s->peer;
	return r;
}

int socket_local(int fd, struct address *ret)
{
	fake_find(fd);
	*ret = (struct address){.ip = {[10] = 0xff, 0xff, 127, 0, 0, 1}, .port = 80};
	return take_error(&fake.client_error);
}

int socket_error(int fd)
{
	return take_error(&fake_find(fd)->error);
}

bool socket_is_dead(int fd)
{
	return fake_find(fd)->dead;
}

int socket_accept_pending(int fd)
{
	struct fake_socket *listener = fake_find(fd), *client = fake_arrive(listener);

	assert_true(listener->listening);
	if (client)
		return client->fd;
	return listener->n_arrived ? fake.new_error : -EAGAIN;
}

int socket_send(int fd, const void *data, size_t size)
{
	struct fake_socket *s = fake_find(fd);
	int r = take_error(&fake.send_error);

	fake_check(s->connected && s->accepted == 0, "a header to descriptor %d comes late", fd);
	if (r < 0)
		return r;
	fake_check(s->n_sent + size <= sizeof(s->sent), "descriptor %d is sent too much", fd);
	memcpy(s->sent + s->n_sent, data, size);
	s->n_sent += size;
	return 0;
}

void socket_shutdown(int fd)
{
	struct fake_socket *s = fake_find(fd);

	fake_check(!s->shut, "FIN twice to descriptor %d", fd);
	fake_check(!s->busy[FAKE_SEND], "FIN to descriptor %d under a send", fd);
	check_fin(s);
	s->shut = true;
}

void fake_end(struct fake_socket *s, bool reset)
{
	s->reset = reset;
	if (!reset && !s->shut)
		check_fin(s);
	fake_check(reset || s->read == s->written,
		   "descriptor %d is closed with bytes unread: a reset", s->fd);
	close_socket(s);
}

void socket_close(int fd)
{
	struct fake_socket *s;

	if (fd < 0)
		return;
	s = fake_find(fd);
	if (s->listening)
		close_socket(s);
	else
		fake_end(s, false);
}

void socket_reset(int fd)
{
	if (fd >= 0)
		fake_end(fake_find(fd), true);
}
