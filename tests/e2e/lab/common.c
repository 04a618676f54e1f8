// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common.h"
#include "loop.h"
#include "text.h"

void die(const char *format, ...)
{
	va_list arguments;

	fputs("lb4-lab: ", stderr);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	exit(2);
}

static uint64_t mix(uint64_t x)
{
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

uint64_t rng_next(struct rng *r)
{
	r->state += 0x9e3779b97f4a7c15u;
	return mix(r->state);
}

uint64_t rng_below(struct rng *r, uint64_t bound)
{
	return (uint64_t)(((unsigned __int128)rng_next(r) * bound) >> 64);
}

int rng_one_in(struct rng *r, unsigned n)
{
	return rng_below(r, n) == 0;
}

static uint8_t pattern_byte(uint64_t seed, uint64_t offset)
{
	return (uint8_t)(mix(seed + offset / 8 * 0x9e3779b97f4a7c15u) >> offset % 8 * 8);
}

void pattern_fill(uint64_t seed, uint64_t offset, uint8_t *buffer, size_t size)
{
	size_t i = 0;

	for (; i < size && (offset + i) % 8; i++)
		buffer[i] = pattern_byte(seed, offset + i);
	for (; i + 8 <= size; i += 8) {
		uint64_t word = mix(seed + (offset + i) / 8 * 0x9e3779b97f4a7c15u);

		for (unsigned j = 0; j < 8; j++)
			buffer[i + j] = (uint8_t)(word >> 8 * j);
	}
	for (; i < size; i++)
		buffer[i] = pattern_byte(seed, offset + i);
}

size_t pattern_check(uint64_t seed, uint64_t offset, const uint8_t *buffer, size_t size)
{
	uint8_t expected[4096];

	for (size_t done = 0; done < size; done += sizeof(expected)) {
		size_t n = size - done < sizeof(expected) ? size - done : sizeof(expected);

		pattern_fill(seed, offset + done, expected, n);
		if (!memcmp(expected, buffer + done, n))
			continue;
		for (size_t i = 0; i < n; i++) {
			if (expected[i] != buffer[done + i])
				return done + i;
		}
	}
	return size;
}

struct address option_address(const char *option, const char *text, int wildcard)
{
	struct address a;
	const char *why;

	if (address_parse(text, wildcard, &a, &why) < 0)
		die("%s %s: %s", option, text, why);
	return a;
}

uint64_t option_number(const char *option, const char *text, uint64_t max)
{
	uint64_t value;

	if (text_parse_unsigned(text, max, &value) < 0)
		die("%s %s: expected a whole number up to %llu", option, text,
		    (unsigned long long)max);
	return value;
}

nsec_t option_duration(const char *option, const char *text)
{
	const char *why;
	nsec_t value;

	if (text_parse_duration(text, &value, &why) < 0)
		die("%s %s: %s", option, text, why);
	return value;
}

void address_list_add(struct address_list *l, const char *text)
{
	if (l->n == LIST_MAX)
		die("more than %d addresses", LIST_MAX);
	l->items[l->n++] = option_address("address", text, false);
}

void address_list_add_ip(struct address_list *l, const char *text)
{
	char with_port[ADDRESS_TEXT_MAX];

	snprintf(with_port, sizeof(with_port), strchr(text, ':') ? "[%s]:1" : "%s:1", text);
	address_list_add(l, with_port);
	l->items[l->n - 1].port = 0;
}

const struct address *address_list_next(struct address_list *l)
{
	return l->n ? &l->items[l->next++ % l->n] : NULL;
}

int connect_start(const struct address *to, const struct address *from)
{
	struct sockaddr_storage sa;
	socklen_t length = address_to_sockaddr(to, &sa);
	int fd = socket(sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int yes = 1, saved;

	if (fd < 0)
		return -errno;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
	if (from) {
		struct sockaddr_storage own;
		socklen_t own_length = address_to_sockaddr(from, &own);

		setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &yes, sizeof(yes));
		if (bind(fd, (struct sockaddr *)&own, own_length) < 0)
			goto fail;
	}
	if (connect(fd, (struct sockaddr *)&sa, length) == 0 || errno == EINPROGRESS)
		return fd;
fail:
	saved = errno;
	close(fd);
	return -saved;
}

int socket_error(int fd)
{
	int error = 0;
	socklen_t length = sizeof(error);

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) < 0)
		return errno;
	return error;
}

char *own_address(int fd, char *buffer)
{
	struct sockaddr_storage sa = {};
	socklen_t length = sizeof(sa);
	struct address a;

	strcpy(buffer, "?");
	if (getsockname(fd, (struct sockaddr *)&sa, &length) == 0 &&
	    address_from_sockaddr(&sa, &a) == 0)
		address_print(&a, buffer);
	return buffer;
}

void tally_add(struct tally *t, const char name[NAME_BLOCK])
{
	size_t i = 0;

	while (i < t->n && strncmp(t->entries[i].name, name, NAME_BLOCK - 1))
		i++;
	if (i == LIST_MAX)
		i--;
	if (i == t->n) {
		t->n++;
		memcpy(t->entries[i].name, name, NAME_BLOCK - 1);
	}
	t->entries[i].count++;
	t->entries[i].last = loop.now;
}

void tally_print(const struct tally *t)
{
	nsec_t wall_minus_loop = clock_wall() - clock_now();

	putchar('{');
	for (size_t i = 0; i < t->n; i++)
		printf("%s\"%s\": {\"count\": %llu, \"last_ms\": %llu}", i ? ", " : "",
		       t->entries[i].name, (unsigned long long)t->entries[i].count,
		       (unsigned long long)((t->entries[i].last + wall_minus_loop) /
					    NSEC_PER_MSEC));
	putchar('}');
}

int compare_u64(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

uint64_t percentile(const uint64_t *sorted, size_t n, double q)
{
	return n ? sorted[(size_t)(q * (double)(n - 1) + 0.5)] : 0;
}

void raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}
