/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a completion belongs to: kind, and index and generation of a slot. The kinds are those of a
 * worker's ring; the checker's has its own.
 */
#pragma once

#include <stdint.h>

enum token_kind {
	TOKEN_NONE, /* so that no token is 0 */
	TOKEN_ACCEPT,
	TOKEN_MAILBOX,
	TOKEN_BELL,
	/* Of a connection, the side or direction added: */
	TOKEN_CONNECT,
	TOKEN_RECEIVE, /* + direction */
	TOKEN_SEND = TOKEN_RECEIVE + 2,
	TOKEN_WATCH = TOKEN_SEND + 2, /* + side */
	TOKEN_ROOM = TOKEN_WATCH + 2, /* + direction */
	TOKEN_KINDS = TOKEN_ROOM + 2,
};

/* Slots compare the low 24 bits of a generation. */
static inline uint64_t token_make(unsigned kind, uint32_t generation, uint32_t index)
{
	return (uint64_t)kind << 56 | (uint64_t)(generation & 0xffffff) << 32 | index;
}

static inline unsigned token_kind(uint64_t token)
{
	return (unsigned)(token >> 56);
}

static inline uint32_t token_generation(uint64_t token)
{
	return (uint32_t)(token >> 32) & 0xffffff;
}

static inline uint32_t token_index(uint64_t token)
{
	return (uint32_t)token;
}
