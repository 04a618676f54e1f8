// SPDX-License-Identifier: BSD-2-Clause
/* model/health: verdicts of one probe, and the health of a backend. */
#include <string.h>

#include "health.h"

#include "test.h"

#define MS NSEC_PER_MSEC
#define S  NSEC_PER_SEC

static const struct check_config check = {
	.kind = CHECK_TCP,
	.interval = 2 * S,
	.fast_interval = 500 * MS,
	.timeout = S,
	.rise = 2,
	.fall = 3,
};
static const struct check_config no_check = {.kind = CHECK_NONE, .rise = 2, .fall = 3};
static const struct passive_config passive = {
	.enabled = true,
	.fall = 3,
	.hold = 2 * S,
	.hold_max = 10 * S,
};

/*
 * Each case is a string of results and what is expected after each of them: + good, - bad,
 * ! passive evidence; U up, D down, lower case when in doubt.
 */
static void verdicts(void **state)
{
	static const struct {
		const char *results, *expected;
	} cases[] = {
		{"+", "U"},
		{"-", "D"},
		{"+-+-+--+", "UuUuUuuU"},
		{"+---", "UuuD"},
		{"+--------", "UuuDDDDDD"},
		{"-+-+-+", "DdDdDd"},
		{"-++", "DdU"},
		{"-++---++", "DdUuuDdU"},
		{"!", "d"},
		{"!++", "ddU"},
		{"!-", "dD"},
		{"+!++", "UddU"},
		{"+!-++", "UdDdU"},
		{"+!+!++", "UddddU"},
		{"+--!++", "UuuddU"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct verdict v = VERDICT_INIT;
		char got[16] = "";

		assert_true(verdict_in_doubt(&v));
		for (size_t j = 0; cases[i].results[j]; j++) {
			enum verdict_state before = v.state;
			char result = cases[i].results[j];
			const char *letters;
			bool changed;

			if (result == '!') {
				verdict_suspect(&v);
			} else {
				changed = verdict_on_result(&v, &check, result == '+');
				assert_int_equal(changed, v.state != before);
			}
			letters = verdict_in_doubt(&v) ? "?ud" : "?UD";
			got[j] = letters[v.state];
		}
		assert_string_equal(got, cases[i].expected);
	}
}

static void verdict_counts_do_not_wrap(void **state)
{
	struct verdict v = {.state = VERDICT_DOWN, .failures = UINT32_MAX};

	(void)state;
	verdict_on_result(&v, &check, false);
	assert_int_equal(v.failures, UINT32_MAX);
	assert_int_equal(v.state, VERDICT_DOWN);
}

static void due_times(void **state)
{
	static const uint32_t randoms[] = {0, 1, 0x80000000, UINT32_MAX};
	const struct check_config quick = {.interval = 20 * MS, .fast_interval = 5 * MS};
	const struct check_config forever = {.interval = UINT64_MAX / 2,
					     .fast_interval = UINT64_MAX / 2};
	struct verdict sure = {.state = VERDICT_UP, .successes = 1};
	struct verdict doubt = {.state = VERDICT_UP, .failures = 1};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(randoms); i++) {
		uint32_t r = randoms[i];

		assert_in_range(verdict_first_due(&check, 7 * S, r), 7 * S, 7 * S + 500 * MS);
		assert_in_range(verdict_first_due(&quick, 7 * S, r), 7 * S, 7 * S + 20 * MS);
		assert_in_range(verdict_next_due(&sure, &check, 7 * S, r), 7 * S + 1800 * MS,
				9 * S);
		assert_in_range(verdict_next_due(&doubt, &check, 7 * S, r), 7 * S + 450 * MS,
				7 * S + 500 * MS);
		assert_in_range(verdict_next_due(&sure, &forever, UINT64_MAX - 5, r),
				UINT64_MAX - 5, UINT64_MAX);
	}
	/* The whole range is used, and all of it. */
	assert_int_equal(verdict_next_due(&sure, &check, 0, 0), 2 * S);
	assert_true(verdict_next_due(&sure, &check, 0, UINT32_MAX) < 1801 * MS);
	assert_true(verdict_first_due(&check, 0, UINT32_MAX) > 499 * MS);
	assert_int_equal(verdict_first_due(&check, 0, 0), 0);
}

/* Feeds a result that took 10 ms. */
static bool result(struct backend_health *h, bool ok, enum verdict_state verdict, nsec_t at)
{
	return health_on_result(h, ok, verdict, 10 * MS, at, 1000 * S + at, ok ? "" : "refused");
}

static void starts_as_presumed(void **state)
{
	struct backend_health h;

	(void)state;
	health_init(&h, &check, &passive, false, S);
	assert_false(h.failed);
	assert_int_equal(h.why, HEALTH_GOOD);
	assert_int_equal(h.since, S);
	assert_int_equal(health_next(&h), NSEC_NEVER);

	health_init(&h, &check, &passive, true, S);
	assert_true(h.failed);
	assert_int_equal(h.why, HEALTH_UNCHECKED);
	assert_false(health_on_time(&h, 100 * S));
	assert_true(h.failed);
	assert_true(result(&h, true, VERDICT_UP, 101 * S));
	assert_false(h.failed);
	assert_int_equal(h.why, HEALTH_GOOD);
	assert_int_equal(h.since, 101 * S);

	/* Presumed down, and it is: that is news for those who have connections there. */
	health_init(&h, &check, &passive, true, S);
	assert_false(health_known_failed(&h));
	assert_true(result(&h, false, VERDICT_DOWN, 2 * S));
	assert_true(health_known_failed(&h));
	assert_false(result(&h, false, VERDICT_DOWN, 3 * S));
	assert_true(h.failed);
	assert_int_equal(h.why, HEALTH_CHECK);
	assert_int_equal(h.since, S);

	/* Nothing could ever raise it. */
	health_init(&h, &no_check, &passive, true, S);
	assert_false(h.failed);
}

static void follows_the_check(void **state)
{
	struct backend_health h;

	(void)state;
	health_init(&h, &check, &passive, false, 0);
	assert_false(result(&h, true, VERDICT_UP, 1 * S));
	assert_false(result(&h, false, VERDICT_UP, 3 * S));
	assert_string_equal(h.error, "refused");
	assert_int_equal(h.error_at, 3 * S);
	assert_false(h.failed);
	assert_true(result(&h, false, VERDICT_DOWN, 4 * S));
	assert_true(h.failed);
	assert_int_equal(h.why, HEALTH_CHECK);
	assert_int_equal(h.since, 4 * S);
	assert_false(result(&h, true, VERDICT_DOWN, 6 * S));
	assert_int_equal(h.why, HEALTH_CHECK);
	assert_true(result(&h, true, VERDICT_UP, 7 * S));
	assert_false(h.failed);
	assert_int_equal(h.since, 7 * S);
	assert_int_equal(h.latency, 10 * MS);
	assert_int_equal(h.result_at, 7 * S);
	assert_int_equal(h.result_wall, 1007 * S);
	assert_true(h.result_ok);
	assert_int_equal(h.n_results, 5);
	assert_int_equal(h.n_failures, 2);
	assert_string_equal(h.error, "refused"); /* kept, with its time */
}

static void hold_without_check(void **state)
{
	struct backend_health h;
	nsec_t now = 100 * S, hold;

	(void)state;
	health_init(&h, &no_check, &passive, false, 0);
	assert_false(health_on_passive(&h, 0, "", now));
	assert_false(health_on_passive(&h, 1, "connect: refused", now));
	assert_false(health_on_passive(&h, 2, "connect: refused", now));
	assert_false(h.failed);
	assert_true(health_on_passive(&h, 3, "connect: refused", now));
	assert_true(h.failed);
	assert_int_equal(h.why, HEALTH_PASSIVE);
	assert_string_equal(h.error, "connect: refused");
	assert_int_equal(h.held_until, now + 2 * S);
	assert_int_equal(h.strikes, 1);
	assert_int_equal(health_next(&h), now + 2 * S);

	/* Late evidence neither prolongs the hold nor counts a second strike. */
	assert_false(health_on_passive(&h, 9, "connect: timed out", now + S));
	assert_int_equal(h.held_until, now + 2 * S);
	assert_int_equal(h.strikes, 1);
	assert_false(health_on_time(&h, now + 2 * S - 1));

	/* Back on trial, each relapse at the first evidence, each hold twice as long, up to the
	 * maximum. */
	hold = 2 * S;
	now += 2 * S;
	for (int i = 0; i < 5; i++) {
		assert_true(health_on_time(&h, now));
		assert_false(h.failed);
		assert_false(h.held);
		hold = hold * 2 > 10 * S ? 10 * S : hold * 2;
		assert_true(health_on_passive(&h, 1, "reset", now + S));
		assert_int_equal(h.held_until, now + S + hold);
		now = h.held_until;
	}
	assert_int_equal(h.n_ejections, 6);
	assert_int_equal(h.strikes, 6);
}

static void trial_ends(void **state)
{
	struct backend_health h;

	(void)state;
	health_init(&h, &no_check, &passive, false, 0);
	assert_true(health_on_passive(&h, 3, "reset", 10 * S));
	assert_true(health_on_time(&h, 12 * S));
	/* On trial for as long as it was held; afterwards the usual threshold counts, though the
	 * strike is remembered. */
	assert_false(health_on_passive(&h, 1, "reset", 14 * S));
	assert_true(health_on_passive(&h, 3, "reset", 15 * S));
	assert_int_equal(h.strikes, 2);
	assert_int_equal(h.held_until, 19 * S);
}

static void strikes_are_forgiven(void **state)
{
	struct backend_health h;

	(void)state;
	health_init(&h, &no_check, &passive, false, 0);
	assert_true(health_on_passive(&h, 3, "reset", 10 * S));
	assert_true(health_on_time(&h, 12 * S));
	assert_int_equal(health_next(&h), 22 * S);
	/* Evidence below the threshold starts the wait again. */
	assert_false(health_on_passive(&h, 1, "reset", 20 * S));
	assert_int_equal(health_next(&h), 30 * S);
	assert_false(health_on_time(&h, 30 * S - 1));
	assert_int_equal(h.strikes, 1);
	assert_false(health_on_time(&h, 30 * S));
	assert_int_equal(h.strikes, 0);
	assert_int_equal(health_next(&h), NSEC_NEVER);
	assert_true(health_on_passive(&h, 3, "reset", 31 * S));
	assert_int_equal(h.held_until, 33 * S);

	/* Nobody needs to have called health_on_time(). */
	assert_true(health_on_time(&h, 33 * S));
	assert_true(health_on_passive(&h, 3, "reset", 43 * S));
	assert_int_equal(h.strikes, 1);
}

static void hold_with_check(void **state)
{
	struct backend_health h;

	(void)state;
	health_init(&h, &check, &passive, false, 0);
	assert_false(result(&h, true, VERDICT_UP, 9 * S));
	assert_true(health_on_passive(&h, 3, "reset", 10 * S));
	/* A result that was under way proves nothing, even where the verdict is still up. */
	assert_false(result(&h, true, VERDICT_UP, 10 * S + 9 * MS));
	assert_false(result(&h, true, VERDICT_DOWN, 11 * S));
	assert_int_equal(h.why, HEALTH_PASSIVE);
	/* The hold is over, but the check has not spoken: no deadline to spin on. */
	assert_int_equal(health_next(&h), NSEC_NEVER);
	assert_false(health_on_time(&h, 12 * S));
	assert_true(result(&h, true, VERDICT_UP, 13 * S));
	assert_false(h.failed);

	/* The check is quicker than the hold. */
	assert_true(health_on_passive(&h, 3, "reset", 20 * S));
	assert_int_equal(h.held_until, 24 * S);
	assert_false(result(&h, true, VERDICT_DOWN, 21 * S));
	assert_false(result(&h, true, VERDICT_UP, 22 * S));
	assert_int_equal(health_next(&h), 24 * S);
	assert_true(health_on_time(&h, 24 * S));
	assert_false(h.failed);

	/* With a check to vouch for it there is no trial: one failed connect is not enough. */
	assert_false(health_on_passive(&h, 1, "reset", 24 * S));
	assert_false(health_on_passive(&h, 2, "reset", 24 * S));
}

static void check_fails_during_hold(void **state)
{
	struct backend_health h;

	(void)state;
	health_init(&h, &check, &passive, false, 0);
	assert_true(health_on_passive(&h, 3, "reset", 10 * S));
	assert_false(result(&h, true, VERDICT_DOWN, 11 * S));
	assert_false(result(&h, false, VERDICT_DOWN, 12 * S));
	assert_int_equal(h.why, HEALTH_CHECK);
	assert_int_equal(h.since, 10 * S);
	assert_false(result(&h, true, VERDICT_DOWN, 13 * S));
	assert_true(result(&h, true, VERDICT_UP, 14 * S));
	/* The verdict was not told of the evidence, the rule counts for itself. */
	assert_true(health_on_passive(&h, 3, "reset", 15 * S));
	assert_false(result(&h, true, VERDICT_UP, 20 * S));
	assert_true(result(&h, true, VERDICT_UP, 21 * S));
}

static void evidence_on_a_failed_backend(void **state)
{
	struct backend_health h;

	(void)state;
	health_init(&h, &check, &passive, false, 0);
	assert_true(result(&h, false, VERDICT_DOWN, 9 * S));
	assert_false(health_on_passive(&h, 3, "reset", 10 * S));
	assert_int_equal(h.why, HEALTH_CHECK);
	assert_false(result(&h, true, VERDICT_DOWN, 10500 * MS));
	assert_false(result(&h, true, VERDICT_UP, 11 * S));
	assert_int_equal(h.why, HEALTH_PASSIVE);
	assert_true(health_on_time(&h, 12 * S));
}

static void reload_carries_over(void **state)
{
	static const struct passive_config off = {.enabled = false, .hold_max = 10 * S};
	struct check_config other = check;
	struct backend_health h;

	(void)state;
	other.rise = 1;
	health_init(&h, &check, &passive, false, 0);
	assert_true(result(&h, false, VERDICT_DOWN, 1 * S));
	assert_false(health_configure(&h, &other, &passive, 2 * S));
	assert_true(h.failed);
	assert_string_equal(h.error, "refused");
	/* Without a check nobody would raise it again. */
	assert_true(health_configure(&h, &no_check, &passive, 3 * S));
	assert_false(h.failed);
	/* A result that was under way is of no interest. */
	assert_false(result(&h, false, VERDICT_DOWN, 3 * S));
	assert_false(h.failed);
	/* A check for a running backend does not take it out until it fails. */
	assert_false(health_configure(&h, &check, &passive, 4 * S));
	assert_false(h.failed);

	/* A hold stays; losing the check leaves only the hold to wait for. */
	assert_true(health_on_passive(&h, 3, "reset", 5 * S));
	assert_false(health_configure(&h, &no_check, &passive, 6 * S));
	assert_true(h.held);
	assert_int_equal(health_next(&h), 7 * S);
	assert_true(health_configure(&h, &no_check, &passive, 7 * S));
	assert_true(health_on_passive(&h, 3, "reset", 8 * S));
	assert_true(health_configure(&h, &no_check, &off, 9 * S));
	assert_false(h.failed);
	assert_false(health_on_passive(&h, 99, "reset", 9 * S));

	/* Presumed down, and the check goes before it was ever made. */
	health_init(&h, &check, &passive, true, 0);
	assert_true(health_configure(&h, &no_check, &passive, S));
	assert_false(h.failed);
}

static void error_is_bounded(void **state)
{
	struct backend_health h;
	char text[1000];

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	health_init(&h, &no_check, &passive, false, 0);
	health_on_passive(&h, 1, text, S);
	assert_int_equal(strlen(h.error), HEALTH_ERROR_MAX - 1);
}

static void names(void **state)
{
	(void)state;
	assert_string_equal(verdict_name(VERDICT_DOWN), "down");
	assert_string_equal(health_why_name(HEALTH_PASSIVE), "passive");
}

/* --- Across a restart --- */

static void restored(const struct backend_health *before, bool fresh, nsec_t now,
		     struct backend_health *ret)
{
	struct health_kept kept;

	health_keep(before, &kept);
	health_restore(ret, &check, &passive, &kept, fresh, now);
}

static void a_verdict_goes_on(void **state)
{
	struct backend_health h, again;

	(void)state;
	health_init(&h, &check, &passive, false, S);
	result(&h, false, VERDICT_DOWN, 2 * S);
	restored(&h, true, 3 * S, &again);
	assert_true(again.failed);
	assert_int_equal(again.why, HEALTH_CHECK);
	assert_int_equal(again.since, 2 * S);
	assert_string_equal(again.error, "refused");
	assert_int_equal(again.error_at, 2 * S);
	/* One good result is not enough for the checker, and so not here. */
	assert_false(result(&again, true, VERDICT_DOWN, 4 * S));
	assert_true(again.failed);
	assert_true(result(&again, true, VERDICT_UP, 5 * S));

	result(&h, true, VERDICT_UP, 6 * S);
	restored(&h, true, 7 * S, &again);
	assert_false(again.failed);
	assert_int_equal(again.verdict, VERDICT_UP);
	assert_int_equal(again.since, 6 * S);
}

/* Who was down stays out until something good is heard; who was up is as new. */
static void an_old_verdict_is_not_believed(void **state)
{
	struct backend_health h, again;

	(void)state;
	health_init(&h, &check, &passive, false, S);
	result(&h, false, VERDICT_DOWN, 2 * S);
	restored(&h, false, 300 * S, &again);
	assert_true(again.failed);
	assert_false(health_known_failed(&again));
	assert_int_equal(again.since, 2 * S);
	assert_true(result(&again, true, VERDICT_UP, 301 * S));
	assert_false(again.failed);

	result(&h, true, VERDICT_UP, 3 * S);
	restored(&h, false, 300 * S, &again);
	assert_false(again.failed);
	assert_int_equal(again.verdict, VERDICT_UNKNOWN);
	assert_true(result(&again, false, VERDICT_DOWN, 301 * S));

	health_init(&h, &check, &passive, true, S); /* nobody has seen it up yet */
	restored(&h, true, 3 * S, &again);
	assert_true(again.failed);
	assert_int_equal(again.why, HEALTH_UNCHECKED);
}

static void a_hold_goes_on(void **state)
{
	struct backend_health h, again;

	(void)state;
	health_init(&h, &no_check, &passive, false, S);
	assert_true(health_on_passive(&h, 3, "refused", 10 * S)); /* for 2 s */
	{
		struct health_kept kept;

		health_keep(&h, &kept);
		health_restore(&again, &no_check, &passive, &kept, true, 11 * S);
		assert_true(again.failed);
		assert_int_equal(again.why, HEALTH_PASSIVE);
		assert_int_equal(health_next(&again), 12 * S);
		assert_true(health_on_time(&again, 12 * S));
		/* On trial, and a second ejection lasts longer. */
		assert_true(health_on_passive(&again, 1, "refused", 13 * S));
		assert_int_equal(health_next(&again), 17 * S);

		/* Over while lb4 was away. */
		health_restore(&again, &no_check, &passive, &kept, true, 13 * S);
		assert_false(again.failed);
		/* A clock that was turned back makes no hold of a year. */
		kept.held_until = 1000000 * S;
		health_restore(&again, &no_check, &passive, &kept, true, 13 * S);
		assert_int_equal(health_next(&again), 23 * S);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(verdicts),
		cmocka_unit_test(verdict_counts_do_not_wrap),
		cmocka_unit_test(due_times),
		cmocka_unit_test(starts_as_presumed),
		cmocka_unit_test(follows_the_check),
		cmocka_unit_test(hold_without_check),
		cmocka_unit_test(trial_ends),
		cmocka_unit_test(strikes_are_forgiven),
		cmocka_unit_test(hold_with_check),
		cmocka_unit_test(check_fails_during_hold),
		cmocka_unit_test(evidence_on_a_failed_backend),
		cmocka_unit_test(reload_carries_over),
		cmocka_unit_test(error_is_bounded),
		cmocka_unit_test(names),
		cmocka_unit_test(a_verdict_goes_on),
		cmocka_unit_test(an_old_verdict_is_not_believed),
		cmocka_unit_test(a_hold_goes_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
