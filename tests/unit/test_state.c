// SPDX-License-Identifier: BSD-2-Clause
/* model/state: what is written is read back, on the clocks of another process or another boot. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "state.h"

#include "test.h"

#define MS NSEC_PER_MSEC
#define S  NSEC_PER_SEC

static const struct state_clocks then = {
	.boot_id = "b007",
	.now = 1000 * S,
	.boot = 1500 * S, /* it has slept for 500 s */
	.wall = 1700000000 * S,
};

static uint64_t random_state;

static uint64_t draw(uint64_t below)
{
	random_state = random_state * 6364136223846793005 + 1442695040888963407;
	return (random_state >> 33) % below;
}

/* Some time around `then`, of whole milliseconds; often none. */
static nsec_t draw_time(void)
{
	return draw(3) ? (nsec_t)(1 + draw(2000000)) * MS : 0;
}

static void draw_name(char *ret, char kind, size_t i)
{
	int n = snprintf(ret, NAME_LENGTH_MAX + 1, "%c%u_", kind, (unsigned)i % 100);

	memset(ret + n, 'x', draw(50));
}

static void draw_backend(struct state_backend *b, size_t i)
{
	static const char *const errors[] = {"", "connect: refused", "got \"\\\" ünd\t\x01",
					     "\xff\xfe"};

	draw_name(b->name, 'b', i);
	snprintf(b->address, sizeof(b->address), "10.0.0.1:%zu", i + 1);
	b->admin = (enum admin_state)draw(3);
	b->drain_begun = draw_time();
	b->drain_deadline = draw_time();
	b->drain_watched = draw(2);
	b->drifted = draw(2);
	b->backup = draw(2);
	b->weight = (uint32_t)draw(WEIGHT_MAX + 1);
	b->max_connections = (uint32_t)draw(UINT32_MAX);
	b->health.verdict = (enum verdict_state)draw(3);
	b->health.result_ok = draw(2);
	b->health.presumed_down = draw(2);
	b->health.since = draw_time();
	b->health.held = draw(2);
	b->health.held_until = draw_time();
	b->health.ejected_at = draw_time();
	b->health.evidence_at = draw_time();
	b->health.trial_until = draw_time();
	b->health.strikes = (uint32_t)draw(10);
	strcpy(b->health.error, errors[draw(ARRAY_SIZE(errors))]);
	b->health.error_at = draw_time();
	b->told = (enum backend_told)draw(3);
	b->out_since = draw_time();
	b->left = draw(2);
	b->down_deadline = draw_time();
	b->fit = draw(2);
	b->ramping = draw(2);
	b->ramp_at = draw_time();
}

static struct state *draw_state(void)
{
	struct state *s = state_new(draw(4));

	assert_non_null(s);
	state_digest("services", draw(8), s->digest);
	s->fastpath_off = draw(2);
	for (size_t i = 0; i < s->n_services; i++) {
		struct state_service *service = &s->services[i];

		assert_int_equal(state_service_reserve(service, draw(6), draw(3)), 0);
		draw_name(service->name, 's', i);
		service->brake_told = draw(2);
		service->backups_told = draw(2);
		service->deserted_told = draw(2);
		service->on_backups = draw(2);
		service->rebuilt = draw(2);
		service->out_since = draw_time();
		for (size_t j = 0; j < service->n_backends; j++)
			draw_backend(&service->backends[j], j);
		for (size_t j = 0; j < service->n_removed; j++)
			draw_name(service->removed[j].name, 'r', j);
	}
	return s;
}

static char *print(const struct state *s, const struct state_clocks *clocks)
{
	char *text;
	size_t size;

	assert_int_equal(state_print(s, clocks, &text, &size), 0);
	assert_int_equal(strlen(text), size);
	return text;
}

static struct state *parse(const char *text, const struct state_clocks *clocks)
{
	char why[STATE_WHY_MAX];
	struct state *s;
	int r = state_parse(text, strlen(text), clocks, &s, why);

	if (r < 0)
		fail_msg("%s: %s", why, text);
	return s;
}

static void same_error(const struct health_kept *a, const struct health_kept *b)
{
	assert_int_equal(strlen(a->error), strlen(b->error));
	if (!strchr(a->error, '\x01') && !strchr(a->error, '\xff'))
		assert_string_equal(a->error, b->error);
}

/* Field by field, but for bytes that no JSON holds. */
static void same_backend(struct state_backend a, struct state_backend b)
{
	same_error(&a.health, &b.health);
	assert_string_equal(a.name, b.name);
	assert_string_equal(a.address, b.address);
#define SAME(member) assert_int_equal(a.member, b.member)
	SAME(admin), SAME(drain_begun), SAME(drain_deadline), SAME(drain_watched);
	SAME(drifted), SAME(backup), SAME(weight), SAME(max_connections);
	SAME(health.verdict), SAME(health.result_ok), SAME(health.presumed_down);
	SAME(health.since), SAME(health.held), SAME(health.held_until), SAME(health.ejected_at);
	SAME(health.evidence_at), SAME(health.trial_until), SAME(health.strikes);
	SAME(health.error_at), SAME(told), SAME(out_since), SAME(left), SAME(down_deadline);
	SAME(fit), SAME(ramping), SAME(ramp_at);
#undef SAME
}

static void same_service(const struct state_service *a, const struct state_service *b)
{
	assert_string_equal(a->name, b->name);
	assert_int_equal(a->brake_told, b->brake_told);
	assert_int_equal(a->backups_told, b->backups_told);
	assert_int_equal(a->deserted_told, b->deserted_told);
	assert_int_equal(a->on_backups, b->on_backups);
	assert_int_equal(a->rebuilt, b->rebuilt);
	assert_int_equal(a->out_since, b->out_since);
	assert_int_equal(a->n_backends, b->n_backends);
	for (size_t i = 0; i < a->n_backends; i++)
		same_backend(a->backends[i], b->backends[i]);
	assert_int_equal(a->n_removed, b->n_removed);
	for (size_t i = 0; i < a->n_removed; i++)
		assert_string_equal(a->removed[i].name, b->removed[i].name);
}

static void comes_back_as_it_was(void **state)
{
	(void)state;
	random_state = clock_now();
	print_message("seed %llu\n", (unsigned long long)random_state);
	for (int n = 0; n < 500; n++) {
		_cleanup_(state_freep) struct state *s = draw_state();
		_cleanup_(freep) char *text = print(s, &then);
		_cleanup_(state_freep) struct state *again = parse(text, &then);

		assert_string_equal(s->digest, again->digest);
		assert_int_equal(s->fastpath_off, again->fastpath_off);
		assert_int_equal(s->n_services, again->n_services);
		for (size_t i = 0; i < s->n_services; i++)
			same_service(&s->services[i], &again->services[i]);
	}
}

/* A drain that began 100 s ago and ends in 50 s. */
static struct state *one_drain(void)
{
	struct state *s = state_new(1);

	assert_int_equal(state_service_reserve(s->services, 1, 0), 0);
	strcpy(s->services->name, "web");
	strcpy(s->services->backends->name, "a");
	s->services->backends->drain_begun = then.now - 100 * S;
	s->services->backends->drain_deadline = then.now + 50 * S;
	return s;
}

static void times_find_their_way(void **state)
{
	static const struct {
		const char *boot_id;
		nsec_t now, boot, wall; /* of the reader */
		nsec_t begun, deadline; /* expected */
	} cases[] = {
		/* 10 s later; the wall clock has been set meanwhile, which does not matter. */
		{"b007", 1010 * S, 1510 * S, 5 * S, 900 * S, 1050 * S},
		/* It slept for an hour before lb4 was started again. */
		{"b007", 1010 * S, 5110 * S, 0, 1, 1050 * S - 3600 * S},
		/* Another boot, 20 s later by the wall clock; it began before that boot. */
		{"b008", 5 * S, 5 * S, 1700000020 * S, 1, 35 * S},
		{"", 500 * S, 600 * S, 1700000020 * S, 380 * S, 530 * S},
		/* A day later. */
		{"b008", 5 * S, 5 * S, 1700086400 * S, 1, 1},
		/* A machine whose clock starts at 1970. */
		{"b008", 5 * S, 5 * S, 5 * S, 1700000000 * S - 100 * S, 1700000000 * S + 50 * S},
	};
	_cleanup_(state_freep) struct state *s = one_drain();
	_cleanup_(freep) char *text = print(s, &then);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct state_clocks now = {
			.now = cases[i].now, .boot = cases[i].boot, .wall = cases[i].wall};
		_cleanup_(state_freep) struct state *again = NULL;

		strcpy(now.boot_id, cases[i].boot_id);
		again = parse(text, &now);
		assert_int_equal(again->services->backends->drain_begun, cases[i].begun);
		/* What is over is so; long ago is 1, for 0 is none. */
		if ((int64_t)cases[i].deadline > 0)
			assert_int_equal(again->services->backends->drain_deadline,
					 cases[i].deadline);
		else
			assert_int_equal(again->services->backends->drain_deadline, 1);
	}
}

static void times_stay_within_what_is_read(void **state)
{
	_cleanup_(state_freep) struct state *s = one_drain(), *again = NULL;
	_cleanup_(freep) char *text = NULL;

	(void)state;
	s->services->backends->drain_deadline = NSEC_NEVER - 1;
	text = print(s, &then);
	again = parse(text, &then);
	assert_true(again->services->backends->drain_deadline > 100ull * 365 * 86400 * S);
}

#define TEXT(inner) "{\"lb4_state\":1,\"services\":[" inner "]}"
#define ONE(inner)  TEXT("{\"name\":\"web\",\"backends\":[" inner "]}")

static void refuses(void **state)
{
	static const struct {
		const char *text;
		int error;
		const char *why; /* part of it */
	} cases[] = {
		{"", -ENOMSG, "no state of lb4"},
		{"{}", -ENOMSG, "no state of lb4"},
		{"services:\n  web: {}\n", -ENOMSG, "no state of lb4"},
		{" {\"lb4_state\":1}", -ENOMSG, "no state of lb4"},
		{"{\"lb4_state\":", -EINVAL, "byte 13"},
		{"{\"lb4_state\":1,\"serv", -EINVAL, "byte"},
		{TEXT("") "x", -EINVAL, "byte"},
		{"{\"lb4_state\":1}", -EINVAL, "no list of services"},
		{"{\"lb4_state\":1,\"lb4_state\":1,\"services\":[]}", -EINVAL, "duplicate"},
		{"{\"lb4_state\":0,\"services\":[]}", -EINVAL, "no version"},
		{"{\"lb4_state\":\"1\",\"services\":[]}", -EINVAL, "no version"},
		{"{\"lb4_state\":2}", -EPROTONOSUPPORT, "newer lb4 (version 2"},
		{"{\"lb4_state\":1,\"services\":{}}", -EINVAL, "no list of services"},
		{"{\"lb4_state\":1,\"boot_id\":7,\"services\":[]}", -EINVAL, "the whole.boot_id"},
		{"{\"lb4_state\":1,\"wall_ms\":-1,\"services\":[]}", -EINVAL, "the whole.wall_ms"},
		{"{\"lb4_state\":1,\"wall_ms\":9223372036854775807,\"services\":[]}", -EINVAL,
		 "wall_ms"},
		{TEXT("7"), -EINVAL, "services[0] is no object"},
		{TEXT("{}"), -EINVAL, "services[0] has no list of backends"},
		{TEXT("{\"backends\":[],\"removed\":1}"), -EINVAL, "services[0] has no list"},
		{TEXT("{\"backends\":[],\"rebuilt\":1}"), -EINVAL, "services[0].rebuilt"},
		{ONE("{},{\"name\":null}"), -EINVAL, "services[0].backends[1].name"},
		{ONE("{\"name\":\"a\\u0000b\"}"), -EINVAL, "byte"},
		{ONE("{\"name\":\"\xff\"}"), -EINVAL, "byte"},
		{ONE("{\"name\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		     "aaaaaaaa\"}"),
		 -EINVAL, "services[0].backends[0].name"},
		{ONE("{\"admin\":\"drained\"}"), -EINVAL, "admin"},
		{ONE("{\"admin\":1}"), -EINVAL, "admin"},
		{ONE("{\"weight\":65536}"), -EINVAL, "weight"},
		{ONE("{\"weight\":1.0}"), -EINVAL, "weight"},
		{ONE("{\"strikes\":4294967296}"), -EINVAL, "strikes"},
		{ONE("{\"held_until_ms\":99999999999999999999}"), -EINVAL, "byte"},
		{ONE("{\"held_until_ms\":true}"), -EINVAL, "held_until_ms"},
		{ONE("{\"held\":0}"), -EINVAL, "held"},
		{ONE("[]"), -EINVAL, "services[0].backends[0] is no object"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char why[STATE_WHY_MAX];
		struct state *s = NULL;
		int r = state_parse(cases[i].text, strlen(cases[i].text), &then, &s, why);

		if (r != cases[i].error || !strstr(why, cases[i].why))
			fail_msg("%s: %d, %s", cases[i].text, r, why);
		assert_null(s);
	}
}

/* At whatever byte a file ends, it is told apart from one that is whole. */
static void refuses_what_is_cut_off(void **state)
{
	_cleanup_(state_freep) struct state *s = one_drain();
	_cleanup_(freep) char *text = print(s, &then);

	(void)state;
	for (size_t size = 0; size < strlen(text); size++) {
		char why[STATE_WHY_MAX];
		struct state *none = NULL;
		int r = state_parse(text, size, &then, &none, why);

		assert_int_equal(r, size < strlen(STATE_MARK) ? -ENOMSG : -EINVAL);
		assert_true(*why);
	}
}

static void passes_over_what_it_does_not_know(void **state)
{
	_cleanup_(state_freep) struct state *s =
		parse("{\"lb4_state\":1,\"new\":[1],\"services\":[{\"name\":\"web\",\"x\":{},"
		      "\"backends\":[{\"name\":\"a\",\"y\":null,\"strikes\":3}]}]}",
		      &then);

	(void)state;
	assert_int_equal(s->services->backends->health.strikes, 3);
}

static void too_many_are_refused(void **state)
{
	_cleanup_(freep) char *text = malloc(3 * (BACKENDS_MAX + 1) + 100);
	char *end = text + sprintf(text, "{\"lb4_state\":1,\"services\":[{\"backends\":[");
	char why[STATE_WHY_MAX];
	struct state *s;

	(void)state;
	for (size_t i = 0; i < BACKENDS_MAX; i++)
		end += sprintf(end, "{},");
	strcpy(end, "{}]}]}");
	assert_int_equal(state_parse(text, strlen(text), &then, &s, why), -EINVAL);
}

static void digests_differ(void **state)
{
	char a[STATE_DIGEST_MAX], b[STATE_DIGEST_MAX];

	(void)state;
	state_digest("services: 1", 11, a);
	state_digest("services: 1", 11, b);
	assert_string_equal(a, b);
	state_digest("services: 2", 11, b);
	assert_string_not_equal(a, b);
	state_digest("", 0, b);
	assert_true(*b);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(comes_back_as_it_was),
		cmocka_unit_test(times_find_their_way),
		cmocka_unit_test(times_stay_within_what_is_read),
		cmocka_unit_test(refuses),
		cmocka_unit_test(refuses_what_is_cut_off),
		cmocka_unit_test(passes_over_what_it_does_not_know),
		cmocka_unit_test(too_many_are_refused),
		cmocka_unit_test(digests_differ),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
