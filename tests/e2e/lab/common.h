/* SPDX-License-Identifier: BSD-2-Clause */
/* What the lab's commands share: random numbers, addresses, names, words of the command line. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "address.h"
#include "clock.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* A server's way to say who it is: its name, padded with zeros. */
#define NAME_BLOCK 64

#define LIST_MAX 64

/* Prints the reason and exits with 2: the lab itself failed, not what it measures. */
void die(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

struct rng {
	uint64_t state;
};
uint64_t rng_next(struct rng *r);
/* 0 .. bound − 1; bound is at least 1. */
uint64_t rng_below(struct rng *r, uint64_t bound);
/* True once in `n`. */
int rng_one_in(struct rng *r, unsigned n);

/*
 * The byte stream of a seed, from `offset`. Any part of it can be made again, so a receiver knows
 * every byte it must get.
 */
void pattern_fill(uint64_t seed, uint64_t offset, uint8_t *buffer, size_t size);
/* The offset of the first wrong byte, or `size`. */
size_t pattern_check(uint64_t seed, uint64_t offset, const uint8_t *buffer, size_t size);

/* Addresses given by an option that may be repeated; used in turn. */
struct address_list {
	struct address items[LIST_MAX];
	size_t n, next;
};
void address_list_add(struct address_list *l, const char *text);
/* Without a port: the kernel picks one. */
void address_list_add_ip(struct address_list *l, const char *text);
/* NULL when the list is empty. */
const struct address *address_list_next(struct address_list *l);

/* These die with the option's name when the text is not what it should be. */
struct address option_address(const char *option, const char *text, int wildcard);
uint64_t option_number(const char *option, const char *text, uint64_t max);
nsec_t option_duration(const char *option, const char *text);

/*
 * A non-blocking socket on its way to `to`, bound to the address of `from` unless that is NULL.
 * -errno when it could not even start.
 */
int connect_start(const struct address *to, const struct address *from);

/* The error of a socket that just became writable or died: 0 or a positive errno. */
int socket_error(int fd);

/* The text of a socket's own address, into ADDRESS_TEXT_MAX bytes. */
char *own_address(int fd, char *buffer);

/* Counts by the name a server gave; names past the table's end are counted together. */
struct tally {
	struct {
		char name[NAME_BLOCK];
		uint64_t count;
		nsec_t last; /* when it was last counted */
	} entries[LIST_MAX];
	size_t n;
};
void tally_add(struct tally *t, const char name[NAME_BLOCK]);
/* {"b1": {"count": 7, "last_ms": 1700000000000}, …}, times as milliseconds of the wall clock. */
void tally_print(const struct tally *t);

int compare_u64(const void *a, const void *b);
/* Of `n` sorted values; 0 when there are none. */
uint64_t percentile(const uint64_t *sorted, size_t n, double q);

/* As many descriptors as the hard limit allows. */
void raise_descriptor_limit(void);
