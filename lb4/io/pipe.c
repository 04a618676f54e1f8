// SPDX-License-Identifier: BSD-2-Clause
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "cleanup.h"
#include "pipe.h"

/*
 * As large as a process without privileges may make them, if there is room for that in what all its
 * pipes may be together (pipe-max-size, pipe-user-pages-soft of proc(5)): a larger pipe takes fewer
 * calls, and a smaller one than these is no better than copying.
 */
static const int sizes[] = {1 << 20, 256 << 10};

/* At a time: pieces may be larger than a page, so a pipe can hold more than its size. */
#define FILL_MAX (512u << 10)

struct pipes {
	struct pipe *idle;    /* the last to be given back comes first: it is warm */
	uint32_t max, n_made; /* open, taken and idle */
	uint32_t n_idle;
	uint32_t fewest_idle; /* since the last trim: those nobody needed */
};

struct pipes *pipes_new(uint32_t n_max)
{
	struct pipes *p = calloc(1, sizeof(*p));

	if (p)
		p->max = n_max;
	return p;
}

static void pipe_close(struct pipes *p, struct pipe *pipe)
{
	for (unsigned i = 0; i < PIPE_DESCRIPTORS; i++)
		close(pipe->fds[i]);
	free(pipe);
	p->n_made--;
}

static struct pipe *pop(struct pipes *p)
{
	struct pipe *pipe = p->idle;

	p->idle = pipe->next;
	p->n_idle--;
	if (p->n_idle < p->fewest_idle)
		p->fewest_idle = p->n_idle;
	return pipe;
}

struct pipes *pipes_free(struct pipes *p)
{
	if (!p)
		return NULL;
	assert(pipes_taken(p) == 0);
	while (p->idle)
		pipe_close(p, pop(p));
	free(p);
	return NULL;
}

static bool enlarge(const struct pipe *pipe)
{
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		if (fcntl(pipe->fds[0], F_SETPIPE_SZ, sizes[i]) >= 0)
			return true;
	return false;
}

static struct pipe *make(struct pipes *p)
{
	_cleanup_(freep) struct pipe *pipe = calloc(1, sizeof(*pipe));

	if (!pipe || pipe2(pipe->fds, O_CLOEXEC | O_NONBLOCK) < 0)
		return NULL;
	p->n_made++;
	if (enlarge(pipe))
		return take_ptr(pipe);
	pipe_close(p, take_ptr(pipe));
	return NULL;
}

struct pipe *pipes_take(struct pipes *p)
{
	if (p->idle)
		return pop(p);
	return p->n_made < p->max ? make(p) : NULL;
}

void pipes_give(struct pipes *p, struct pipe *pipe)
{
	if (pipe->size > 0) {
		pipe_close(p, pipe);
		return;
	}
	pipe->next = p->idle;
	p->idle = pipe;
	p->n_idle++;
}

bool pipes_trim(struct pipes *p)
{
	for (uint32_t n = p->fewest_idle; n > 0; n--)
		pipe_close(p, pop(p));
	p->fewest_idle = p->n_idle;
	return p->n_made > 0;
}

bool pipes_available(const struct pipes *p)
{
	return p && pipes_taken(p) < p->max;
}

uint32_t pipes_taken(const struct pipes *p)
{
	return p->n_made - p->n_idle;
}

ssize_t pipe_fill(struct pipe *pipe, int fd)
{
	ssize_t n;

	assert(pipe->size == 0);
	n = splice(fd, NULL, pipe->fds[1], NULL, FILL_MAX, SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
	if (n < 0)
		return -errno;
	pipe->size = (uint32_t)n;
	return n;
}

ssize_t pipe_drain(struct pipe *pipe, int fd)
{
	ssize_t n =
		splice(pipe->fds[0], NULL, fd, NULL, pipe->size, SPLICE_F_NONBLOCK | SPLICE_F_MOVE);

	if (n < 0)
		return -errno;
	pipe->size -= (uint32_t)n;
	return n;
}
