// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "measure.h"
#include "request.h"

static size_t size;
static uint64_t last_number;
static uint8_t outgoing[SIZE_MAX_BYTES];

void request_init(size_t request_size)
{
	size = request_size;
	for (size_t i = 0; i < size; i++)
		outgoing[i] = (uint8_t)('a' + i % 26);
}

int request_send(struct request *r, int fd)
{
	ssize_t n;

	r->number = ++last_number;
	r->received = 0;
	memcpy(outgoing, &r->number, sizeof(r->number));
	n = send(fd, outgoing, size, MSG_NOSIGNAL);
	if (n < 0)
		return -errno;
	return (size_t)n == size ? 0 : -EMSGSIZE;
}

static bool is_right(const struct request *r, const uint8_t *bytes, size_t n)
{
	memcpy(outgoing, &r->number, sizeof(r->number));
	return !memcmp(outgoing + r->received, bytes, n);
}

enum reply request_receive(struct request *r, int fd)
{
	/* One byte more than is due, which must not come. */
	static uint8_t incoming[SIZE_MAX_BYTES + 1];
	size_t due = size - r->received;
	ssize_t n = recv(fd, incoming, due + 1, 0);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return REPLY_NOT_YET;
	if (n <= 0) {
		measure_error(n < 0 ? "receive" : "closed before the reply", n < 0 ? errno : 0);
		return REPLY_WRONG;
	}
	if ((size_t)n > due || !is_right(r, incoming, (size_t)n)) {
		measure_error("a wrong reply", 0);
		return REPLY_WRONG;
	}
	r->received += (uint32_t)n;
	return r->received == size ? REPLY_WHOLE : REPLY_NOT_YET;
}
