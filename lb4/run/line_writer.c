// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "cleanup.h"
#include "clock.h"
#include "line_writer.h"

/* 4 MiB of lines may wait for the reader of standard output. */
#define CHUNKS_MAX 256

struct line_writer {
	struct mailbox mailbox;
	pthread_t thread;
	struct message quit; /* posted last; never freed by itself */
};

static void chunk_free(struct message *m)
{
	free(container_of(m, struct line_chunk, message));
}

struct line_chunk *line_chunk_new(void)
{
	struct line_chunk *chunk = malloc(sizeof(*chunk));

	if (!chunk)
		return NULL;
	chunk->message.free = chunk_free;
	chunk->size = chunk->n_lines = 0;
	return chunk;
}

static void write_all(const char *text, size_t size)
{
	while (size > 0) {
		ssize_t n = write(STDOUT_FILENO, text, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			struct pollfd p = {.fd = STDOUT_FILENO, .events = POLLOUT};

			poll(&p, 1, -1);
			continue;
		}
		if (n < 0)
			return; /* nobody reads: the lines are lost, as a closed output asks */
		text += n;
		size -= (size_t)n;
	}
}

static void quit_free(struct message *m)
{
	(void)m;
}

static void *run(void *argument)
{
	struct line_writer *w = argument;
	struct pollfd p = {.fd = w->mailbox.event_fd, .events = POLLIN};

	for (;;) {
		struct list messages = LIST_INIT(messages);
		bool quit = false;

		poll(&p, 1, -1);
		mailbox_take(&w->mailbox, &messages);
		list_for_each_safe(node, &messages) {
			struct message *m = container_of(node, struct message, node);

			list_unlink(node);
			if (m == &w->quit) {
				quit = true;
			} else {
				struct line_chunk *c = container_of(m, struct line_chunk, message);

				write_all(c->text, c->size);
			}
			m->free(m);
		}
		if (quit)
			return NULL;
	}
}

int line_writer_start(struct line_writer **ret)
{
	_cleanup_(freep) struct line_writer *w = calloc(1, sizeof(*w));
	int r;

	if (!w)
		return -ENOMEM;
	w->quit.free = quit_free;
	r = mailbox_init(&w->mailbox, CHUNKS_MAX);
	if (r < 0)
		return r;
	r = pthread_create(&w->thread, NULL, run, w);
	if (r != 0) {
		mailbox_deinit(&w->mailbox);
		return -r;
	}
	pthread_setname_np(w->thread, "lb4-lines");
	*ret = take_ptr(w);
	return 0;
}

struct line_writer *line_writer_stop(struct line_writer *w)
{
	struct timespec until;

	if (!w)
		return NULL;
	w->mailbox.n_max = UINT32_MAX; /* there is always room to quit */
	mailbox_post(&w->mailbox, &w->quit);
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec++;
	if (pthread_timedjoin_np(w->thread, NULL, &until) != 0)
		return NULL; /* blocked in write(2): it ends with the process, and keeps `w` */
	mailbox_deinit(&w->mailbox);
	free(w);
	return NULL;
}

int line_writer_post(struct line_writer *w, struct line_chunk *chunk)
{
	return mailbox_post(&w->mailbox, &chunk->message);
}
