// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "mailbox.h"

int mailbox_init(struct mailbox *m, uint32_t n_max)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	if (fd < 0)
		return -errno;
	pthread_mutex_init(&m->lock, NULL);
	list_init(&m->messages);
	m->n_messages = 0;
	m->n_max = n_max;
	m->closed = false;
	m->event_fd = fd;
	return 0;
}

static void end_messages(struct list *messages)
{
	list_for_each_safe(node, messages) {
		struct message *message = container_of(node, struct message, node);

		list_unlink(node);
		message->free(message);
	}
}

void mailbox_deinit(struct mailbox *m)
{
	if (m->event_fd < 0)
		return;
	end_messages(&m->messages);
	close(m->event_fd);
	m->event_fd = -1;
	pthread_mutex_destroy(&m->lock);
}

void mailbox_close(struct mailbox *m)
{
	struct list messages = LIST_INIT(messages);

	pthread_mutex_lock(&m->lock);
	m->closed = true;
	list_splice(&messages, &m->messages);
	m->n_messages = 0;
	pthread_mutex_unlock(&m->lock);
	end_messages(&messages);
}

int mailbox_post(struct mailbox *m, struct message *message)
{
	const uint64_t one = 1;
	bool wake;

	pthread_mutex_lock(&m->lock);
	if (m->closed) {
		pthread_mutex_unlock(&m->lock);
		message->free(message);
		return 0;
	}
	if (m->n_messages == m->n_max) {
		pthread_mutex_unlock(&m->lock);
		return -ENOBUFS;
	}
	wake = m->n_messages++ == 0;
	list_append(&m->messages, &message->node);
	pthread_mutex_unlock(&m->lock);

	/* The counter cannot overflow: it is raised once between two takes. */
	if (wake && write(m->event_fd, &one, sizeof(one)) < 0)
		return 0;
	return 0;
}

void mailbox_take(struct mailbox *m, struct list *ret)
{
	uint64_t count;

	/* Cleared before the list is looked at: a message posted in between rings again. */
	if (read(m->event_fd, &count, sizeof(count)) < 0)
		count = 0;
	pthread_mutex_lock(&m->lock);
	list_splice(ret, &m->messages);
	m->n_messages = 0;
	pthread_mutex_unlock(&m->lock);
}
