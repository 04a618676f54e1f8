// SPDX-License-Identifier: BSD-2-Clause
/* io/mailbox: order, bounds, waking, threads. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>

#include "clock.h"
#include "mailbox.h"

#include "test.h"

struct note {
	struct message message;
	unsigned sender, number;
};

static unsigned n_freed;

static void note_free(struct message *m)
{
	n_freed++;
	free(container_of(m, struct note, message));
}

static struct note *note_new(unsigned sender, unsigned number)
{
	struct note *n = malloc(sizeof(*n));

	assert_non_null(n);
	*n = (struct note){.message.free = note_free, .sender = sender, .number = number};
	return n;
}

static bool is_readable(const struct mailbox *m)
{
	struct pollfd p = {.fd = m->event_fd, .events = POLLIN};

	return poll(&p, 1, 0) == 1;
}

static void messages_wake_and_are_taken_at_once(void **state)
{
	struct mailbox m = MAILBOX_INIT;
	struct list taken = LIST_INIT(taken);
	unsigned next = 0;

	(void)state;
	assert_int_equal(mailbox_init(&m, 10), 0);
	assert_false(is_readable(&m));
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < 10; i++) {
			assert_int_equal(mailbox_post(&m, &note_new(0, i)->message), 0);
			assert_true(is_readable(&m));
		}
		mailbox_take(&m, &taken);
		assert_false(is_readable(&m));
		next = 0;
		list_for_each_safe(node, &taken) {
			struct note *n = container_of(node, struct note, message.node);

			assert_int_equal(n->number, next++);
			list_unlink(node);
			note_free(&n->message);
		}
		assert_int_equal(next, 10);
	}
	mailbox_take(&m, &taken); /* nothing there: returns */
	assert_true(list_empty(&taken));
	mailbox_deinit(&m);
}

/* What it refuses stays the caller's; what it holds dies with it. */
static void a_full_mailbox_refuses(void **state)
{
	struct mailbox m = MAILBOX_INIT;
	struct note *extra = note_new(0, 3);
	struct list taken = LIST_INIT(taken);

	(void)state;
	n_freed = 0;
	assert_int_equal(mailbox_init(&m, 3), 0);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(mailbox_post(&m, &note_new(0, i)->message), 0);
	assert_int_equal(mailbox_post(&m, &extra->message), -ENOBUFS);
	assert_int_equal(mailbox_post(&m, &extra->message), -ENOBUFS);
	mailbox_take(&m, &taken);
	assert_int_equal(mailbox_post(&m, &extra->message), 0);
	mailbox_deinit(&m);
	assert_int_equal(n_freed, 1);
	list_for_each_safe(node, &taken)
		note_free(container_of(node, struct message, node));
	assert_int_equal(n_freed, 4);
}

static void deinit_of_nothing(void **state)
{
	struct mailbox m = MAILBOX_INIT;

	(void)state;
	mailbox_deinit(&m);
	assert_int_equal(mailbox_init(&m, 1), 0);
	mailbox_deinit(&m);
	mailbox_deinit(&m);
}

enum { SENDERS = 4, EACH = 20000 };

struct sender {
	struct mailbox *mailbox;
	unsigned index;
	pthread_t thread;
};

static void *send_many(void *argument)
{
	struct sender *s = argument;

	for (unsigned i = 0; i < EACH; i++) {
		struct note *n = note_new(s->index, i);

		while (mailbox_post(s->mailbox, &n->message) < 0)
			sched_yield();
	}
	return NULL;
}

/* No message is lost, doubled or overtaken, and no wake-up is missed. */
static void many_senders(void **state)
{
	struct mailbox m = MAILBOX_INIT;
	struct sender senders[SENDERS];
	unsigned next[SENDERS] = {}, n = 0;

	(void)state;
	assert_int_equal(mailbox_init(&m, 100), 0);
	for (unsigned i = 0; i < SENDERS; i++) {
		senders[i] = (struct sender){&m, i};
		assert_int_equal(pthread_create(&senders[i].thread, NULL, send_many, &senders[i]),
				 0);
	}
	while (n < SENDERS * EACH) {
		struct pollfd p = {.fd = m.event_fd, .events = POLLIN};
		struct list taken = LIST_INIT(taken);

		assert_int_equal(poll(&p, 1, 30000), 1);
		mailbox_take(&m, &taken);
		list_for_each_safe(node, &taken) {
			struct note *note = container_of(node, struct note, message.node);

			assert_int_equal(note->number, next[note->sender]++);
			n++;
			list_unlink(node);
			note_free(&note->message);
		}
	}
	for (unsigned i = 0; i < SENDERS; i++)
		pthread_join(senders[i].thread, NULL);
	assert_false(is_readable(&m));
	mailbox_deinit(&m);
}

static void a_closed_one_ends_what_it_has_and_gets(void **state)
{
	struct mailbox m = MAILBOX_INIT;

	(void)state;
	n_freed = 0;
	assert_int_equal(mailbox_init(&m, 1), 0);
	assert_int_equal(mailbox_post(&m, &note_new(0, 0)->message), 0);
	mailbox_close(&m);
	assert_int_equal(n_freed, 1);
	assert_int_equal(mailbox_post(&m, &note_new(0, 1)->message), 0);
	assert_int_equal(n_freed, 2);
	mailbox_deinit(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(messages_wake_and_are_taken_at_once),
		cmocka_unit_test(a_full_mailbox_refuses),
		cmocka_unit_test(deinit_of_nothing),
		cmocka_unit_test(many_senders),
		cmocka_unit_test(a_closed_one_ends_what_it_has_and_gets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
