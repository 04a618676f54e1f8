// SPDX-License-Identifier: BSD-2-Clause
/* model/watchdog, on a clock of the test's own. */
#include "watchdog.h"

#include "test.h"

#define PARTS 3

struct world {
	struct watchdog dog;
	nsec_t now;
	bool stuck[PARTS];    /* does not answer */
	bool no_memory;	      /* nobody can be asked */
	unsigned n_questions; /* in all */
};

/* What main does at each deadline; whether the service manager hears of it. */
static bool turn(struct world *w)
{
	bool told;

	w->now = watchdog_next(&w->dog);
	for (unsigned i = 0; i < PARTS; i++)
		if (!w->stuck[i])
			watchdog_answered(&w->dog, i, w->dog.parts[i].asked);
	told = watchdog_tick(&w->dog, w->now);
	for (unsigned i = 0; i < PARTS; i++) {
		if (!watchdog_unasked(&w->dog, i) || w->no_memory)
			continue;
		watchdog_asked(&w->dog, i);
		w->n_questions++;
	}
	return told;
}

static void begin(struct world *w)
{
	*w = (struct world){};
	watchdog_init(&w->dog, 40 * NSEC_PER_SEC, PARTS, 100 * NSEC_PER_SEC);
	assert_int_equal(watchdog_next(&w->dog), 100 * NSEC_PER_SEC);
	assert_false(turn(w)); /* nobody has shown yet that it lives */
}

static void without_one_nothing_is_due(void **state)
{
	struct watchdog dog;

	(void)state;
	watchdog_init(&dog, 0, PARTS, 0);
	assert_int_equal(watchdog_next(&dog), NSEC_NEVER);
	watchdog_init(&dog, 1, PARTS, 0);
	assert_int_equal(watchdog_next(&dog), 0);
}

static void all_is_well(void **state)
{
	struct world w;

	(void)state;
	begin(&w);
	for (unsigned i = 1; i <= 10; i++) {
		assert_true(turn(&w));
		assert_int_equal(w.now, (100 + 10 * i) * NSEC_PER_SEC);
	}
	assert_int_equal(w.n_questions, 11 * PARTS);
}

static void one_that_is_stuck_is_enough(void **state)
{
	struct world w;

	(void)state;
	for (unsigned part = 0; part < PARTS; part++) {
		begin(&w);
		assert_true(turn(&w));
		w.stuck[part] = true;
		for (int i = 0; i < 10; i++)
			assert_false(turn(&w));
		/* Nobody is asked again and again: questions would pile up before the stuck one. */
		assert_int_equal(w.n_questions, 2 * PARTS);
		w.stuck[part] = false;
		assert_true(turn(&w));
		assert_true(turn(&w));
	}
}

static void who_cannot_be_asked_has_not_answered(void **state)
{
	struct world w;

	(void)state;
	begin(&w);
	w.no_memory = true;
	assert_true(turn(&w)); /* for the round before */
	assert_false(turn(&w));
	assert_false(turn(&w));
	w.no_memory = false;
	assert_false(turn(&w));
	assert_true(turn(&w));
}

/* An answer of an earlier round is none of this one. */
static void old_answers_do_not_count(void **state)
{
	struct world w;

	(void)state;
	begin(&w);
	assert_true(turn(&w));
	w.stuck[1] = true;
	assert_false(turn(&w));
	watchdog_answered(&w.dog, 1, 1);
	assert_false(turn(&w));
	watchdog_answered(&w.dog, 1, 2);
	assert_true(turn(&w));
}

/* The machine slept: one tick, not one for each that was missed. */
static void a_pause_is_not_made_up_for(void **state)
{
	struct world w;

	(void)state;
	begin(&w);
	for (unsigned i = 0; i < PARTS; i++)
		watchdog_answered(&w.dog, i, 1);
	assert_true(watchdog_tick(&w.dog, 5000 * NSEC_PER_SEC));
	assert_int_equal(watchdog_next(&w.dog), 5010 * NSEC_PER_SEC);
}

static enum watchdog_news news(struct world *w, unsigned part)
{
	return watchdog_news(&w->dog, part, w->now);
}

static void news_is_told_once(void **state)
{
	struct world w;

	(void)state;
	begin(&w);
	w.stuck[2] = true;
	turn(&w);
	assert_int_equal(news(&w, 2), WATCHDOG_NOTHING); /* it has had 10 of 40 s */
	turn(&w);
	assert_int_equal(news(&w, 2), WATCHDOG_STUCK);
	assert_int_equal(news(&w, 1), WATCHDOG_NOTHING);
	turn(&w);
	assert_int_equal(news(&w, 2), WATCHDOG_NOTHING);
	w.stuck[2] = false;
	assert_true(turn(&w));
	assert_int_equal(news(&w, 2), WATCHDOG_BACK);
	assert_int_equal(news(&w, 2), WATCHDOG_NOTHING);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_one_nothing_is_due),
		cmocka_unit_test(all_is_well),
		cmocka_unit_test(one_that_is_stuck_is_enough),
		cmocka_unit_test(who_cannot_be_asked_has_not_answered),
		cmocka_unit_test(old_answers_do_not_count),
		cmocka_unit_test(a_pause_is_not_made_up_for),
		cmocka_unit_test(news_is_told_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
