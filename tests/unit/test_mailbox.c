// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <poll.h>

#include "cleanup.h"
#include "mailbox.h"

#include "test.h"

struct note {
	struct message message;
	bool ended;
};

static void end(struct message *m)
{
	container_of(m, struct note, message)->ended = true;
}

static bool rings(const struct mailbox *m)
{
	struct pollfd p = {.fd = m->event_fd, .events = POLLIN};

	return poll(&p, 1, 0) == 1;
}

#define NOTE                                                                                       \
	{                                                                                          \
		.message.free = end                                                                \
	}

static void takes_in_order_and_is_silent_then(void **state)
{
	struct mailbox m = MAILBOX_INIT;
	struct note a = NOTE, b = NOTE;
	struct list taken = LIST_INIT(taken);

	(void)state;
	assert_int_equal(mailbox_init(&m, 2), 0);
	assert_false(rings(&m));
	assert_int_equal(mailbox_post(&m, &a.message), 0);
	assert_int_equal(mailbox_post(&m, &b.message), 0);
	assert_true(rings(&m));
	mailbox_take(&m, &taken);
	assert_false(rings(&m));
	assert_ptr_equal(taken.next, &a.message.node);
	assert_ptr_equal(taken.next->next, &b.message.node);
	mailbox_deinit(&m);
	assert_false(a.ended || b.ended);
}

static void refuses_when_full(void **state)
{
	struct mailbox m = MAILBOX_INIT;
	struct note a = NOTE, b = NOTE;

	(void)state;
	assert_int_equal(mailbox_init(&m, 1), 0);
	assert_int_equal(mailbox_post(&m, &a.message), 0);
	assert_int_equal(mailbox_post(&m, &b.message), -ENOBUFS);
	mailbox_deinit(&m);
	assert_true(a.ended);
	assert_false(b.ended); /* still the caller's */
}

static void a_closed_one_ends_what_it_has_and_gets(void **state)
{
	struct mailbox m = MAILBOX_INIT;
	struct note before = NOTE, after = NOTE;

	(void)state;
	assert_int_equal(mailbox_init(&m, 1), 0);
	assert_int_equal(mailbox_post(&m, &before.message), 0);
	mailbox_close(&m);
	assert_true(before.ended);
	assert_int_equal(mailbox_post(&m, &after.message), 0);
	assert_true(after.ended);
	mailbox_deinit(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_in_order_and_is_silent_then),
		cmocka_unit_test(refuses_when_full),
		cmocka_unit_test(a_closed_one_ends_what_it_has_and_gets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
