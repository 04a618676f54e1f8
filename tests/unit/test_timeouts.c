// SPDX-License-Identifier: BSD-2-Clause
/* model/timeouts: what is over when. */
#include <stdlib.h>

#include "timeouts.h"

#include "test.h"

#define S	 NSEC_PER_SEC
#define START	 (1000 * S)
#define AT(when) (START + (when)*S)

static const struct service_settings settings = {
	.connect_timeout = 1 * S,
	.connect_budget = 5 * S,
	.idle_timeout = 60 * S,
	.half_closed_timeout = 20 * S,
	.lifetime = 1000 * S,
};

static struct timeouts established(const struct service_settings *s)
{
	struct timeouts t;

	timeouts_start(&t, s, START);
	assert_true(timeouts_connecting(&t, s, START));
	timeouts_established(&t, START);
	return t;
}

/* Nothing is over before `at`, and then `event` is. */
static void expect(struct timeouts *t, nsec_t at, enum timeouts_event event)
{
	assert_int_equal(timeouts_next(t), at);
	assert_int_equal(timeouts_expired(t, at - 1), TIMEOUT_NONE);
	assert_int_equal(timeouts_expired(t, at), event);
}

static void tries_within_a_budget(void **state)
{
	struct timeouts t;

	(void)state;
	timeouts_start(&t, &settings, START);
	expect(&t, AT(1000), TIMEOUT_LIFETIME);
	for (nsec_t i = 0; i < 4; i++) {
		assert_true(timeouts_connecting(&t, &settings, AT(i)));
		expect(&t, AT(i + 1), TIMEOUT_CONNECT);
	}
	assert_true(timeouts_connecting(&t, &settings, AT(4) + S / 2));
	expect(&t, AT(5), TIMEOUT_CONNECT); /* what is left of the budget */
	assert_true(timeouts_connecting(&t, &settings, AT(5) - 1));
	assert_false(timeouts_connecting(&t, &settings, AT(5)));
	assert_false(timeouts_connecting(&t, &settings, AT(50)));
}

static void silence_ends(void **state)
{
	struct timeouts t = established(&settings);

	(void)state;
	expect(&t, AT(60), TIMEOUT_IDLE);
	timeouts_byte(&t, AT(30));
	expect(&t, AT(90), TIMEOUT_IDLE);
	timeouts_half_closed(&t, AT(40));
	expect(&t, AT(40) + TIMEOUTS_STALL, TIMEOUT_STALL);
	expect(&t, AT(60), TIMEOUT_HALF_CLOSED);
	timeouts_byte(&t, AT(50));
	expect(&t, AT(70), TIMEOUT_HALF_CLOSED);
}

/* Only silence of an established connection counts. */
static void a_new_try_is_not_silence(void **state)
{
	struct timeouts t = established(&settings);

	(void)state;
	timeouts_half_closed(&t, AT(1));
	assert_true(timeouts_connecting(&t, &settings, AT(2)));
	expect(&t, AT(3), TIMEOUT_CONNECT);
	timeouts_established(&t, AT(3));
	expect(&t, AT(23), TIMEOUT_HALF_CLOSED);
}

static void age_ends_at_any_time(void **state)
{
	struct service_settings s = settings;
	struct timeouts t;

	(void)state;
	s.lifetime = 2 * S;
	timeouts_start(&t, &s, START);
	assert_true(timeouts_connecting(&t, &s, AT(1) + S / 2));
	expect(&t, AT(2), TIMEOUT_LIFETIME);
	t = established(&s);
	timeouts_byte(&t, AT(2) - 1);
	expect(&t, AT(2), TIMEOUT_LIFETIME);
}

static void a_stall_is_told_once(void **state)
{
	struct timeouts t = established(&settings);

	(void)state;
	timeouts_blocked(&t, AT(10));
	expect(&t, AT(10) + TIMEOUTS_STALL, TIMEOUT_STALL);
	expect(&t, AT(60), TIMEOUT_IDLE);
	timeouts_blocked(&t, AT(20));
	timeouts_unblocked(&t);
	expect(&t, AT(60), TIMEOUT_IDLE);
	/* What ends the connection is told first. */
	timeouts_blocked(&t, AT(59));
	assert_int_equal(timeouts_expired(&t, AT(60)), TIMEOUT_IDLE);
}

/* Where there is something to do then, and not before a backend has been found. */
static void settling(void **state)
{
	struct service_settings s = settings;
	struct timeouts t;

	(void)state;
	s.keepalive_idle = 60 * S;
	t = established(&s);
	expect(&t, START + TIMEOUTS_SETTLE, TIMEOUT_SETTLED);
	expect(&t, AT(60), TIMEOUT_IDLE);
	t = established(&s);
	assert_true(timeouts_connecting(&t, &s, START));
	expect(&t, AT(1), TIMEOUT_CONNECT);
}

static void no_limits(void **state)
{
	static const struct service_settings none;
	struct timeouts t;

	(void)state;
	timeouts_start(&t, &none, START);
	assert_true(timeouts_connecting(&t, &none, NSEC_NEVER - 1));
	assert_int_equal(timeouts_next(&t), NSEC_NEVER);
	timeouts_established(&t, START);
	timeouts_half_closed(&t, START);
	expect(&t, START + TIMEOUTS_STALL, TIMEOUT_STALL);
	assert_int_equal(timeouts_next(&t), NSEC_NEVER);
	assert_int_equal(timeouts_expired(&t, NSEC_NEVER - 1), TIMEOUT_NONE);
}

/* Limits beyond the end of time are no limits. */
static void endless_limits(void **state)
{
	const struct service_settings endless = {
		.connect_timeout = NSEC_NEVER,
		.connect_budget = NSEC_NEVER - START,
		.idle_timeout = NSEC_NEVER - 1,
		.half_closed_timeout = NSEC_NEVER,
		.lifetime = NSEC_NEVER,
	};
	struct timeouts t = established(&endless);

	(void)state;
	timeouts_half_closed(&t, NSEC_NEVER - 5);
	timeouts_blocked(&t, NSEC_NEVER - 5);
	assert_int_equal(timeouts_next(&t), NSEC_NEVER);
}

/* Whatever happened: nothing is over before timeouts_next(), and something is then. */
static void next_is_exact(void **state)
{
	(void)state;
	srand(1);
	for (unsigned i = 0; i < 200000; i++) {
		struct service_settings s = {
			.connect_timeout = (nsec_t)(rand() % 5),
			.connect_budget = (nsec_t)(rand() % 20),
			.idle_timeout = (nsec_t)(rand() % 20),
			.half_closed_timeout = (nsec_t)(rand() % 20),
			.lifetime = (nsec_t)(rand() % 100),
		};
		struct timeouts t;
		nsec_t now = 1 + (nsec_t)(rand() % 50), next;

		timeouts_start(&t, &s, now);
		for (unsigned j = (unsigned)rand() % 10; j > 0; j--) {
			now += (nsec_t)(rand() % 5);
			switch (rand() % 6) {
			case 0:
				timeouts_connecting(&t, &s, now);
				break;
			case 1:
				timeouts_established(&t, now);
				break;
			case 2:
				timeouts_half_closed(&t, now);
				break;
			case 3:
				timeouts_byte(&t, now);
				break;
			case 4:
				timeouts_blocked(&t, now);
				break;
			case 5:
				timeouts_unblocked(&t);
				break;
			}
		}
		next = timeouts_next(&t);
		assert_int_equal(timeouts_expired(&t, next - 1), TIMEOUT_NONE);
		if (next != NSEC_NEVER)
			assert_int_not_equal(timeouts_expired(&t, next), TIMEOUT_NONE);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tries_within_a_budget),
		cmocka_unit_test(silence_ends),
		cmocka_unit_test(a_new_try_is_not_silence),
		cmocka_unit_test(age_ends_at_any_time),
		cmocka_unit_test(a_stall_is_told_once),
		cmocka_unit_test(settling),
		cmocka_unit_test(no_limits),
		cmocka_unit_test(endless_limits),
		cmocka_unit_test(next_is_exact),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
