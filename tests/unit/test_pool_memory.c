// SPDX-License-Identifier: BSD-2-Clause
/*
 * Pools when memory is short. The linker wraps what model allocates with, so that the n-th
 * allocation fails, for each n until none does.
 */
#include <errno.h>

#include "choice.h"

static size_t allocations_left = SIZE_MAX;

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
char *__real_strdup(const char *s);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
char *__wrap_strdup(const char *s);

static bool grant(void)
{
	if (allocations_left == 0)
		return false;
	allocations_left -= allocations_left != SIZE_MAX;
	return true;
}

void *__wrap_malloc(size_t size)
{
	return grant() ? __real_malloc(size) : NULL;
}

void *__wrap_calloc(size_t n, size_t size)
{
	return grant() ? __real_calloc(n, size) : NULL;
}

char *__wrap_strdup(const char *s)
{
	return grant() ? __real_strdup(s) : NULL;
}

static const nsec_t sec = NSEC_PER_SEC;

/* Updates with ever more memory until it suffices; the table stays until then. */
static void update_at_last(struct pool *p, nsec_t now)
{
	struct pool_table *before = p->table;
	uint64_t n_updates = p->n_updates;
	int r = -ENOMEM;

	for (size_t n = 0; r == -ENOMEM; n++) {
		allocations_left = n;
		r = pool_update(p, now);
		allocations_left = SIZE_MAX;
		if (r == -ENOMEM) {
			assert_ptr_equal(p->table, before);
			assert_int_equal(p->n_updates, n_updates);
			/* Again, but not in a loop. */
			assert_int_equal(pool_next_update(p), now + POOL_REBUILD_AFTER);
		} else {
			assert_true(n > 0); /* it did fail at least once */
		}
	}
	assert_int_equal(r, 1);
	assert_int_equal(p->n_updates, n_updates + 1);
}

static void set_members_is_all_or_nothing(void **state)
{
	struct set *s = set_new(5, EQUAL);
	struct pool p;
	int r = -ENOMEM;

	(void)state;
	pool_of(&p, s, 251, 1);
	set_add(s, 3);
	for (size_t n = 0; r == -ENOMEM; n++) {
		allocations_left = n;
		r = pool_set_members(&p, s->members + 1, 5);
		allocations_left = SIZE_MAX;
		if (r == -ENOMEM) {
			assert_int_equal(p.n_members, 5);
			assert_non_null(pool_find(&p, "web1"));
			assert_int_equal(pool_update(&p, 0), 0);
		}
	}
	assert_int_equal(r, 0);
	assert_null(pool_find(&p, "web1"));
	assert_int_equal(pool_find(&p, "web6")->weight, 3);
	update_at_last(&p, 0);
	pool_deinit(&p);
	free(s);
}

static void the_first_table(void **state)
{
	const struct service_settings settings = {.table_size = 251, .max_eject_percent = 50};
	const struct maglev_member members[] = {{"a", 1}, {"b", 2}};
	struct pool p;

	(void)state;
	pool_init(&p, 1, &settings);
	assert_int_equal(pool_set_members(&p, members, 2), 0);
	update_at_last(&p, 0);
	pool_deinit(&p);
}

/* Without slots, and as roles change. */
static void other_tables(void **state)
{
	struct service_settings settings = {.table_size = 251, .max_eject_percent = 50};
	const struct maglev_member members[] = {{"a", 1}, {"b", 2}, {"c", 3}};

	(void)state;
	for (enum balance_kind k = BALANCE_MAGLEV; k <= BALANCE_TWO_CHOICES; k++) {
		struct pool p;

		settings.balance = k;
		pool_init(&p, 1, &settings);
		assert_int_equal(pool_set_members(&p, members, 3), 0);
		pool_set_backup(&p, 2, true);
		update_at_last(&p, 0);
		pool_fail(&p, 0, 1);
		pool_fail(&p, 1, 1);
		update_at_last(&p, 1);
		assert_true(p.on_backups);
		assert_true(p.table->eligible[2] && p.table->n_eligible == 1);
		p.members[1].failed = false;
		update_at_last(&p, 2);
		assert_true(p.table->eligible[1] && p.table->n_eligible == 1);
		pool_deinit(&p);
	}
}

static void failures_and_rebuilds(void **state)
{
	struct set *s = set_new(5, EQUAL);
	struct pool p;
	uint16_t *live;

	(void)state;
	pool_of(&p, s, 251, 1);
	live = copy_live(&p);
	pool_fail(&p, 1, 0);
	update_at_last(&p, 0);
	pool_fail(&p, 2, 0);
	update_at_last(&p, 1);

	/* A rebuild that failed is not asked for again at once. */
	allocations_left = 0;
	assert_int_equal(pool_update(&p, 61 * sec), -ENOMEM);
	allocations_left = SIZE_MAX;
	assert_int_equal(pool_next_update(&p), 121 * sec);
	assert_false(p.rebuilt);
	assert_int_equal(pool_update(&p, 121 * sec), 1);
	assert_true(p.rebuilt);

	/* Somebody comes back; set and base change under it, and memory is short at each step. */
	p.members[1].failed = false;
	update_at_last(&p, 122 * sec);
	assert_true(p.rebuilt);
	set_add(s, 1);
	assert_int_equal(pool_set_members(&p, s->members + 1, s->n - 1), 0);
	update_at_last(&p, 123 * sec);
	assert_int_equal(pool_set_members(&p, s->members, 5), 0);
	pool_find(&p, "web3")->failed = false;
	update_at_last(&p, 124 * sec);
	assert_false(p.rebuilt);
	assert_memory_equal(p.table->live, live, 251 * sizeof(live[0]));
	free(live);
	pool_deinit(&p);
	free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(set_members_is_all_or_nothing),
		cmocka_unit_test(the_first_table),
		cmocka_unit_test(other_tables),
		cmocka_unit_test(failures_and_rebuilds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
