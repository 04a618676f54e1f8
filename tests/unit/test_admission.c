// SPDX-License-Identifier: BSD-2-Clause
/* Who is let in, in which order the limits are asked, and what a refusal leaves behind. */
#include <stdlib.h>

#include "access.h"
#include "admission.h"
#include "prefix_list.h"
#include "snapshot.h"

#include "test.h"

#define START (1000 * NSEC_PER_SEC)

struct stage {
	struct snapshot_service view;
	struct admission held[32];
	size_t n_held;
};

static int setup(void **state)
{
	struct stage *stage = calloc(1, sizeof(*stage));

	assert_non_null(stage);
	stage->view.service = service_new("web", 2);
	assert_non_null(stage->view.service);
	assert_int_equal(service_track_sources(stage->view.service, 100, 1), 0);
	stage->view.settings.limits.source_ipv4 = 32;
	stage->view.settings.limits.source_ipv6 = 64;
	*state = stage;
	return 0;
}

static int teardown(void **state)
{
	struct stage *stage = *state;
	struct source_table_stats stats;

	for (size_t i = 0; i < stage->n_held; i++) {
		admission_release(&stage->held[i]);
		admission_release(&stage->held[i]); /* harmless */
	}
	assert_int_equal(stage->view.service->in_use, 0);
	source_table_stats(stage->view.service->sources, &stats);
	assert_int_equal(stats.n_holding, 0);
	access_unref(stage->view.access);
	service_unref(stage->view.service);
	free(stage);
	return 0;
}

static enum end_reason open_at(struct stage *stage, const char *client, nsec_t now)
{
	struct address address;
	enum end_reason reason;
	const char *why;

	assert_int_equal(address_parse(client, false, &address, &why), 0);
	reason = admission_check(&stage->view, &address, now, &stage->held[stage->n_held]);
	if (reason == END_NONE)
		stage->n_held++;
	return reason;
}

static enum end_reason open_now(struct stage *stage, const char *client)
{
	return open_at(stage, client, START);
}

static void without_limits_all_are_let_in(void **state)
{
	struct stage *stage = *state;

	for (unsigned i = 0; i < 20; i++)
		assert_int_equal(open_now(stage, "192.0.2.1:1"), END_NONE);
	assert_int_equal(stage->view.service->in_use, 20);
	assert_false(stage->held[0].source.tracked);
}

static void each_limit_has_its_reason(void **state)
{
	struct stage *stage = *state;
	struct limits_config *limits = &stage->view.settings.limits;

	*limits = (struct limits_config){4, 100, 2, 100, 32, 64};
	assert_int_equal(open_now(stage, "192.0.2.1:1"), END_NONE);
	assert_int_equal(open_now(stage, "192.0.2.1:2"), END_NONE);
	assert_int_equal(open_now(stage, "192.0.2.1:3"), END_SOURCE_LIMIT);
	assert_int_equal(open_now(stage, "192.0.2.2:1"), END_NONE);
	assert_int_equal(open_now(stage, "192.0.2.3:1"), END_NONE);
	assert_int_equal(open_now(stage, "192.0.2.4:1"), END_SERVICE_LIMIT);
	admission_release(&stage->held[0]);
	assert_int_equal(open_now(stage, "192.0.2.4:1"), END_NONE);
	limits->connections = 100;
	limits->rate = 1;
	assert_int_equal(open_now(stage, "192.0.2.5:1"), END_SERVICE_RATE);
	limits->rate = 100;
	limits->source_rate = 1;
	assert_int_equal(open_now(stage, "192.0.2.6:1"), END_NONE);
	assert_int_equal(open_now(stage, "192.0.2.6:1"), END_SOURCE_RATE);
}

/* What the service refuses leaves its source as it was. */
static void a_refusal_leaves_nothing_behind(void **state)
{
	struct stage *stage = *state;
	struct limits_config *limits = &stage->view.settings.limits;

	*limits = (struct limits_config){.connections = 1, .source_rate = 2, .source_ipv4 = 32};
	assert_int_equal(open_now(stage, "192.0.2.1:1"), END_NONE);
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(open_now(stage, "192.0.2.2:1"), END_SERVICE_LIMIT);
	limits->connections = 10;
	assert_int_equal(open_now(stage, "192.0.2.2:1"), END_NONE);
	assert_int_equal(open_now(stage, "192.0.2.2:1"), END_NONE);
	assert_int_equal(open_now(stage, "192.0.2.2:1"), END_SOURCE_RATE);
	limits->rate = 1;
	limits->source_rate = 0;
	limits->source_connections = 3;
	for (unsigned i = 0; i < 10; i++)
		assert_int_not_equal(open_at(stage, "192.0.2.9:1", START + i), END_SOURCE_LIMIT);
}

static void rates_recover(void **state)
{
	struct stage *stage = *state;

	stage->view.settings.limits.rate = 4;
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(open_now(stage, "192.0.2.1:1"), END_NONE);
	assert_int_equal(open_at(stage, "192.0.2.1:1", START + 249 * NSEC_PER_MSEC),
			 END_SERVICE_RATE);
	assert_int_equal(open_at(stage, "192.0.2.1:1", START + 250 * NSEC_PER_MSEC), END_NONE);
}

static void masks_make_sources(void **state)
{
	struct stage *stage = *state;

	stage->view.settings.limits.source_connections = 1;
	assert_int_equal(open_now(stage, "[2001:db8:0:1::1]:1"), END_NONE);
	assert_int_equal(open_now(stage, "[2001:db8:0:1:ffff::2]:1"), END_SOURCE_LIMIT);
	assert_int_equal(open_now(stage, "[2001:db8:0:2::1]:1"), END_NONE);
	assert_int_equal(open_now(stage, "192.0.2.1:1"), END_NONE);
	assert_int_equal(open_now(stage, "192.0.2.2:1"), END_NONE);
	stage->view.settings.limits.source_ipv4 = 24;
	stage->view.settings.limits.source_ipv6 = 48;
	assert_int_equal(open_now(stage, "192.0.2.3:1"), END_NONE); /* counted anew as 192.0.2.0 */
	assert_int_equal(open_now(stage, "192.0.2.1:1"), END_SOURCE_LIMIT);
	assert_int_equal(open_now(stage, "192.0.3.1:1"), END_NONE);
	assert_int_equal(open_now(stage, "[2001:db8:0:3::1]:1"), END_NONE);
	assert_int_equal(open_now(stage, "[2001:db8:0:4::1]:1"), END_SOURCE_LIMIT);
}

/* Connections of before hold nothing or what they held, whatever limits there are now. */
static void limits_come_and_go(void **state)
{
	struct stage *stage = *state;
	struct limits_config *limits = &stage->view.settings.limits;

	assert_int_equal(open_now(stage, "192.0.2.1:1"), END_NONE);
	limits->source_connections = 2;
	limits->connections = 3;
	assert_int_equal(open_now(stage, "192.0.2.1:1"), END_NONE);
	assert_int_equal(open_now(stage, "192.0.2.1:1"), END_NONE);
	assert_int_equal(open_now(stage, "192.0.2.1:1"), END_SOURCE_LIMIT);
	assert_int_equal(open_now(stage, "192.0.2.2:1"), END_SERVICE_LIMIT); /* the first counts */
	limits->source_connections = 0;
	limits->connections = 0;
	assert_int_equal(open_now(stage, "192.0.2.1:1"), END_NONE);
	admission_release(&stage->held[1]);
	limits->source_connections = 2;
	assert_int_equal(open_now(stage, "192.0.2.1:1"), END_NONE);
	assert_int_equal(open_now(stage, "192.0.2.1:1"), END_SOURCE_LIMIT);
}

static void who_is_denied_counts_nowhere(void **state)
{
	struct stage *stage = *state;
	struct prefix_list *deny = prefix_list_new(1);
	const char *why;

	assert_int_equal(prefix_parse("192.0.2.0/24", &deny->items[0], &why), 0);
	assert_int_equal(access_new(NULL, deny, &stage->view.access), 0);
	prefix_list_unref(deny);
	stage->view.settings.limits.rate = 1;
	stage->view.settings.limits.connections = 1;
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(open_now(stage, "192.0.2.1:1"), END_DENIED);
	assert_int_equal(open_now(stage, "192.0.3.1:1"), END_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(without_limits_all_are_let_in, setup, teardown),
		cmocka_unit_test_setup_teardown(each_limit_has_its_reason, setup, teardown),
		cmocka_unit_test_setup_teardown(a_refusal_leaves_nothing_behind, setup, teardown),
		cmocka_unit_test_setup_teardown(rates_recover, setup, teardown),
		cmocka_unit_test_setup_teardown(masks_make_sources, setup, teardown),
		cmocka_unit_test_setup_teardown(limits_come_and_go, setup, teardown),
		cmocka_unit_test_setup_teardown(who_is_denied_counts_nowhere, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
