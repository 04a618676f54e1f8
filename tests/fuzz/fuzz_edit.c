// SPDX-License-Identifier: BSD-2-Clause
/*
 * model/config_edit: a configuration whose backends shall be others. Either the editor refuses in a
 * sentence, or its text reads back as what was wanted and, besides, as what the file said. The same
 * wish changes nothing more then, and the wish for what was brings the same configuration back.
 *
 * The first line holds the wish, in steps of three characters: what is done, to which backend, how.
 *	-xy	backend x goes, unless it is the last		=xy	it has the address y
 *	*xy	it has the weight y				#xy	its max_connections is y
 *	~xy	it changes places with backend y		+xy	one comes: name x, address y
 *	!xy	it is a backup, if y is odd			>xy	what follows is about service x
 * Numbers are counted from '0', and from the beginning again where there are fewer.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config_diff.h"
#include "config_edit.h"

#include "fuzz.h"

#define STEPS_MAX 32

/* Of those that YAML may take for something else than text. */
static const char *const names[] = {"new", "null", "NULL", "true", "no",    "0x10",
				    "010", "1e3",  "9",	   "_",	   "a.b-c", "y"};

static const uint32_t numbers[] = {0, 1, 2, 7, 10, 255, 65535};

struct wish {
	struct wanted_service *services; /* all of the file, as they shall be */
	size_t n;
};

/* What the file says, with room for what comes. */
static struct wish wish_begin(const struct config *c)
{
	struct wish w = {calloc(c->n_services, sizeof(w.services[0])), c->n_services};

	assert(w.services);
	for (size_t i = 0; i < w.n; i++) {
		const struct service_config *s = &c->services[i];
		struct backend_config *b = calloc(s->n_backends + STEPS_MAX, sizeof(*b));

		assert(b);
		if (s->n_backends > 0)
			memcpy(b, s->backends, s->n_backends * sizeof(*b));
		w.services[i] = (struct wanted_service){s->name, b, s->n_backends};
	}
	return w;
}

static void wish_end(struct wish *w)
{
	for (size_t i = 0; i < w->n; i++)
		free((void *)w->services[i].backends);
	free(w->services);
}

static struct address address_of(unsigned how)
{
	static const char *const texts[] = {"10.9.9.9:9",	"[2001:db8::9]:9", "10.0.0.1:1",
					    "10.9.9.9:65535",	"[::1]:8",	   "192.0.2.1:10",
					    "[2001:db8::a]:10", "127.0.0.1:1"};
	struct address a;
	const char *why;

	assert(address_parse(texts[how % 8], false, &a, &why) == 0);
	return a;
}

static void add(struct wanted_service *s, struct backend_config *b, unsigned which, unsigned how)
{
	const char *name = names[which % (sizeof(names) / sizeof(names[0]))];

	for (size_t i = 0; i < s->n_backends; i++)
		if (!strcmp(b[i].name, name))
			return;
	b[s->n_backends++] = (struct backend_config){
		.name = (char *)name,
		.address = address_of(how),
		.weight = numbers[how % (sizeof(numbers) / sizeof(numbers[0]))],
	};
}

static void change(struct wanted_service *s, char what, unsigned which, unsigned how)
{
	struct backend_config *all = (struct backend_config *)s->backends, *b, swapped;
	uint32_t number = numbers[how % (sizeof(numbers) / sizeof(numbers[0]))];

	if (what == '+')
		add(s, all, which, how);
	if (s->n_backends == 0)
		return;
	b = &all[which % s->n_backends];
	switch (what) {
	case '-':
		if (s->n_backends > 1)
			memmove(b, b + 1, (size_t)(&all[s->n_backends--] - (b + 1)) * sizeof(*b));
		break;
	case '*':
		b->weight = number;
		break;
	case '=':
		b->address = address_of(how);
		break;
	case '#':
		b->max_connections = number;
		break;
	case '!':
		b->backup = how & 1;
		break;
	case '~':
		swapped = *b;
		*b = all[how % s->n_backends];
		all[how % s->n_backends] = swapped;
		break;
	}
}

static void make_wish(struct wish *w, const char *steps)
{
	size_t at = 0;

	for (int i = 0; i < STEPS_MAX && steps[0] && steps[1] && steps[2]; i++, steps += 3) {
		unsigned which = (uint8_t)(steps[1] - '0'), how = (uint8_t)(steps[2] - '0');

		if (steps[0] == '>')
			at = which % w->n;
		else
			change(&w->services[at], steps[0], which, how);
	}
}

/* Those that pass all clients on have none, and none that could be wanted. */
static size_t drop_empty(struct wish *w)
{
	size_t n = 0;

	for (size_t i = 0; i < w->n; i++) {
		struct wanted_service s = w->services[i];

		if (s.n_backends == 0)
			continue;
		w->services[i] = w->services[n];
		w->services[n++] = s;
	}
	return n;
}

static bool has_backends(const struct config *c, const struct wanted_service *w)
{
	const struct service_config *s = config_find_service(c, w->name);

	if (!s || s->n_backends != w->n_backends)
		return false;
	for (size_t i = 0; i < w->n_backends; i++) {
		const struct backend_config *b =
			service_config_find_backend(s, w->backends[i].name);

		if (!b || !backend_config_equal(b, &w->backends[i]))
			return false;
	}
	return true;
}

/* All but the backends. */
static void check_same_settings(const struct config *before, const struct config *after)
{
	struct setting_changes changes = {};
	struct config_diff diff;

	assert(before->n_services == after->n_services);
	assert(config_diff_init(&diff, before, after) == 0);
	assert(config_diff_file(&diff, &changes) == 0 && changes.n == 0);
	setting_changes_deinit(&changes);
	for (size_t i = 0; i < before->n_services; i++) {
		const char *name = before->services[i].name;

		assert(!strcmp(name, after->services[i].name));
		assert(config_diff_service(&diff, name, &changes) == 0 && changes.n == 0);
		setting_changes_deinit(&changes);
	}
	config_diff_deinit(&diff);
}

static struct config *parse(const char *text, size_t size)
{
	struct config_errors errors;
	struct config *c = NULL;

	config_parse(text, size, &c, &errors);
	config_errors_deinit(&errors);
	return c;
}

/* False: it was refused. */
static bool edit(const struct config *c, const struct wish *w, size_t n, struct config_edit *e)
{
	char *error = NULL;
	int r = config_edit(c, "lb4.yaml", w->services, n, e, &error);

	assert(r == 0 || r == -EINVAL);
	assert((r == 0) == !error);
	assert(!error || (*error && fuzz_is_printable(error)));
	/* It looks at what it wrote and refuses that; still it should not write something else. */
	assert(!error || !strstr(error, "would not say what runs"));
	free(error);
	return r == 0;
}

static void check_edited(const struct config *c, const struct wish *w, size_t n,
			 const struct config_edit *e)
{
	struct config *again = parse(e->text, e->size);
	bool same = true;

	assert(again && e->config && strlen(e->text) == e->size);
	check_same_settings(c, again);
	for (size_t i = 0; i < n; i++) {
		assert(has_backends(again, &w->services[i]));
		assert(has_backends(e->config, &w->services[i]));
		same = same && has_backends(c, &w->services[i]);
	}
	assert(same == (e->n_backends == 0));
	assert(same == !*e->diff);
	assert(same == (e->size == c->text_size && !memcmp(e->text, c->text, e->size)));
	config_free(again);
}

static void check_again(const struct config *c, const struct wish *w, size_t n,
			const struct config_edit *edited)
{
	struct config_edit e = {};
	struct wish was = wish_begin(c);

	assert(edit(edited->config, w, n, &e));
	assert(e.size == edited->size && !memcmp(e.text, edited->text, e.size));
	config_edit_deinit(&e);
	n = drop_empty(&was);
	if (edit(edited->config, &was, n, &e))
		check_edited(edited->config, &was, n, &e);
	config_edit_deinit(&e);
	wish_end(&was);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, size};
	char *steps = fuzz_take_text(&in, '\n');
	struct config *c = parse((const char *)in.data, in.size);

	if (c) {
		struct config_edit e = {};
		struct wish w = wish_begin(c);
		size_t n;

		make_wish(&w, steps);
		n = drop_empty(&w);
		if (edit(c, &w, n, &e)) {
			check_edited(c, &w, n, &e);
			check_again(c, &w, n, &e);
		}
		config_edit_deinit(&e);
		wish_end(&w);
		config_free(c);
	}
	free(steps);
	return 0;
}
