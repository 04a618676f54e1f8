// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "watch.h"

void watch_free(struct watch *w)
{
	if (!w)
		return;
	probe_free(w->probe);
	free((void *)w->path.vips);
	check_config_deinit(&w->check);
	free(w);
}

static void watch_freep(struct watch **w)
{
	watch_free(*w);
}

static int copy_path(const struct check_path *from, struct check_path *ret)
{
	struct address *vips;

	*ret = *from;
	if (from->n_vips == 0)
		return 0;
	vips = calloc(from->n_vips, sizeof(vips[0]));
	ret->vips = vips;
	if (!vips)
		return -ENOMEM;
	memcpy(vips, from->vips, from->n_vips * sizeof(vips[0]));
	return 0;
}

static bool path_equal(const struct check_path *a, const struct check_path *b)
{
	if (a->forward != b->forward || a->n_vips != b->n_vips || a->entries != b->entries)
		return false;
	for (size_t i = 0; i < a->n_vips; i++)
		if (!address_equal(&a->vips[i], &b->vips[i]))
			return false;
	return true;
}

static int watch_new(const struct check_target *target, struct watch **ret)
{
	_cleanup_(watch_freep) struct watch *w = calloc(1, sizeof(*w));
	int r;

	if (!w)
		return -ENOMEM;
	w->address = target->address;
	w->timer = (struct timer)TIMER_INIT;
	w->fresh = true;
	list_init(&w->waiting);
	r = copy_path(&target->path, &w->path);
	if (r >= 0)
		r = check_config_copy(&target->check, &w->check);
	if (r < 0)
		return r;
	r = probe_new(&w->check, &w->address, &w->probe);
	if (r < 0)
		return r;
	*ret = take_ptr(w);
	return 0;
}

static void subscribe(struct watch *w, struct subscriber *s)
{
	s->watch = w;
	s->next = w->subscribers;
	w->subscribers = s;
}

static const struct subscriber *find_subscriber(const struct watch *w, uint64_t id)
{
	const struct subscriber *s = w->subscribers;

	while (s && s->id != id)
		s = s->next;
	return s;
}

/* Any order will do, as long as equal addresses stand together. */
static int compare_addresses(const struct address *a, const struct address *b)
{
	int r = memcmp(a->ip, b->ip, sizeof(a->ip));

	if (r == 0)
		r = (a->port > b->port) - (a->port < b->port);
	if (r == 0)
		r = (a->scope > b->scope) - (a->scope < b->scope);
	if (r == 0)
		r = (a->family > b->family) - (a->family < b->family);
	return r;
}

static int compare_targets(const void *a, const void *b)
{
	const struct check_target *const *left = a, *const *right = b;

	return compare_addresses(&(*left)->address, &(*right)->address);
}

/* The watch for `target` among the last ones made, all of which have addresses up to its own. */
static struct watch *find_last(const struct watch_set *s, const struct check_target *target)
{
	for (size_t i = s->n_watches; i > 0; i--) {
		struct watch *w = s->watches[i - 1];

		if (compare_addresses(&w->address, &target->address))
			break;
		if (check_config_equal(&w->check, &target->check) &&
		    path_equal(&w->path, &target->path))
			return w;
	}
	return NULL;
}

/* Who knows nothing has no say. */
static void begin_with(struct watch *w, enum verdict_state verdict)
{
	if (verdict == VERDICT_UNKNOWN || w->disputed)
		return;
	w->disputed = w->verdict.state != VERDICT_UNKNOWN && w->verdict.state != verdict;
	w->verdict.state = w->disputed ? VERDICT_UNKNOWN : verdict;
}

static int add_target(struct watch_set *s, const struct check_target *target)
{
	struct watch *w = find_last(s, target);
	struct subscriber *subscriber;

	if (!w) {
		int r = watch_new(target, &w);

		if (r < 0)
			return r;
		s->watches[s->n_watches++] = w;
	}
	begin_with(w, target->verdict);
	subscriber = &s->subscribers[s->n_subscribers++];
	*subscriber = (struct subscriber){.id = target->id};
	subscribe(w, subscriber);
	return 0;
}

int watch_set_init(struct watch_set *s, const struct check_target *targets, size_t n)
{
	_cleanup_(watch_set_deinit) struct watch_set made = WATCH_SET_INIT;
	_cleanup_(freep) const struct check_target **sorted = NULL;
	size_t n_sorted = 0;
	int r;

	sorted = calloc(n + 1, sizeof(*sorted));
	made.watches = calloc(n + 1, sizeof(struct watch *));
	made.subscribers = calloc(n + 1, sizeof(struct subscriber));
	if (!sorted || !made.watches || !made.subscribers)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		if (targets[i].check.kind != CHECK_NONE)
			sorted[n_sorted++] = &targets[i];
	qsort(sorted, n_sorted, sizeof(*sorted), compare_targets);
	for (size_t i = 0; i < n_sorted; i++) {
		r = add_target(&made, sorted[i]);
		if (r < 0)
			return r;
	}
	r = heap_reserve(&made.heap, made.n_watches);
	if (r < 0)
		return r;
	*s = made;
	made = (struct watch_set)WATCH_SET_INIT;
	return 0;
}

void watch_set_deinit(struct watch_set *s)
{
	for (size_t i = 0; i < s->n_watches; i++)
		watch_free(s->watches[i]);
	free(s->watches);
	free(s->subscribers);
	heap_deinit(&s->heap);
	*s = (struct watch_set)WATCH_SET_INIT;
}

/* Goes on with the VIP that has failed, if the new path has it too. */
static void stay_with_vip(struct watch *w, const struct watch *old)
{
	if (old->path.n_vips == 0 || old->last.at == 0 || old->last.ok)
		return;
	for (size_t i = 0; i < w->path.n_vips; i++)
		if (address_equal(&w->path.vips[i], &old->path.vips[old->vip]))
			w->vip = i;
}

/* Takes the verdict of the check that each target had; when they disagree, a result decides. */
static void inherit(struct watch *w, const struct watch *old, bool *disagreed)
{
	for (const struct subscriber *s = w->subscribers; s; s = s->next) {
		if (old->verdict.state == VERDICT_UNKNOWN || !find_subscriber(old, s->id))
			continue;
		stay_with_vip(w, old);
		if (w->verdict.state == VERDICT_UNKNOWN)
			w->verdict.state = old->verdict.state;
		else if (w->verdict.state != old->verdict.state)
			*disagreed = true;
	}
}

/* Compares `w` with the old watches of its address, which are `group` and those that follow. */
static void find_twin(struct watch *w, const struct watch_set *old, size_t group)
{
	bool disagreed = false;

	for (size_t i = group; i < old->n_watches; i++) {
		struct watch *o = old->watches[i];

		if (compare_addresses(&o->address, &w->address))
			break;
		if (check_config_equal(&o->check, &w->check) && path_equal(&o->path, &w->path)) {
			w->twin = o;
			return;
		}
		inherit(w, o, &disagreed);
	}
	if (disagreed)
		w->verdict = (struct verdict)VERDICT_INIT;
}

/* `w` goes, `w->twin` takes its place and its subscribers. */
static void replace_by_twin(struct watch **w)
{
	struct watch *twin = (*w)->twin;

	for (struct subscriber *s = (*w)->subscribers; s; s = s->next) {
		s->watch = twin;
		s->told = find_subscriber(twin, s->id);
	}
	twin->subscribers = (*w)->subscribers;
	twin->twin = twin; /* not to be left behind */
	watch_free(*w);
	*w = twin;
}

static void move_timers(struct watch_set *s, struct watch_set *old)
{
	struct timer *t;

	while ((t = heap_pop(&old->heap, NSEC_NEVER))) {
		struct watch *w = container_of(t, struct watch, timer);

		if (w->twin)
			heap_arm(&s->heap, t, t->deadline);
	}
}

void watch_set_adopt(struct watch_set *s, struct watch_set *old)
{
	size_t group = 0, n_left = 0;

	/* All comparisons come before any change: subscribers of `old` are looked at again. */
	for (size_t i = 0; i < s->n_watches; i++) {
		struct watch *w = s->watches[i];

		while (group < old->n_watches &&
		       compare_addresses(&old->watches[group]->address, &w->address) < 0)
			group++;
		find_twin(w, old, group);
	}
	for (size_t i = 0; i < s->n_watches; i++)
		if (s->watches[i]->twin)
			replace_by_twin(&s->watches[i]);
	move_timers(s, old);

	for (size_t i = 0; i < old->n_watches; i++) {
		struct watch *w = old->watches[i];

		if (w->twin) {
			w->twin = NULL;
		} else {
			w->subscribers = NULL;
			old->watches[n_left++] = w;
		}
	}
	old->n_watches = n_left;
}
