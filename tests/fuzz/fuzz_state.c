// SPDX-License-Identifier: BSD-2-Clause
/*
 * model/state: any text is refused with a reason, or read; what was read prints to a text that is
 * read as the same, and says so of itself.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "state.h"

#include "fuzz.h"

static const struct state_clocks now = {
	.boot_id = "a boot",
	.now = 500 * NSEC_PER_SEC,
	.boot = 500 * NSEC_PER_SEC,
	.wall = 1700000000 * NSEC_PER_SEC,
};

static void check_service(const struct state_service *s)
{
	size_t hint = 0;

	assert(s->n_backends <= BACKENDS_MAX && s->n_removed <= BACKENDS_MAX);
	for (size_t i = 0; i < s->n_backends; i++) {
		const struct state_backend *b = &s->backends[i];

		assert(strlen(b->name) <= NAME_LENGTH_MAX);
		assert(b->weight <= WEIGHT_MAX && admin_state_name(b->admin));
		assert(state_find_backend(s, b->name, &hint));
	}
	for (size_t i = 0; i < s->n_removed; i++)
		assert(state_is_removed(s, s->removed[i].name));
}

static void check_state(const struct state *s)
{
	char *text, *again, why[STATE_WHY_MAX];
	struct state *read;
	size_t size;

	assert(s->n_services <= SERVICES_MAX);
	for (size_t i = 0; i < s->n_services; i++) {
		check_service(&s->services[i]);
		assert(state_find_service(s, s->services[i].name));
	}
	assert(state_print(s, &now, &text, &size) == 0);
	assert(state_parse(text, size, &now, &read, why) == 0);
	assert(state_print(read, &now, &again, &size) == 0);
	assert(!strcmp(text, again));
	state_free(read);
	free(again);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char why[STATE_WHY_MAX];
	struct state *s = NULL;
	int r = state_parse((const char *)data, size, &now, &s, why);

	if (r == 0) {
		check_state(s);
		state_free(s);
	} else {
		assert(r == -EINVAL || r == -ENOMSG || r == -EPROTONOSUPPORT);
		assert(!s && *why && fuzz_is_printable(why));
	}
	return 0;
}
