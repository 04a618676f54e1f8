// SPDX-License-Identifier: BSD-2-Clause
/* How the control API shows the whole live table of a service. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control_handlers.h"
#include "control_json.h"
#include "daemon.h"

/*
 * The table as it is sent: up to 655,373 names, made piece by piece from a snapshot that stays
 * while the client reads. Names need no escaping.
 */
struct table_stream {
	struct snapshot *snapshot;
	const struct snapshot_service *service;
	uint32_t next; /* slot */
	bool begun, ended;
	char piece[NAME_LENGTH_MAX + 64]; /* made and not yet taken: */
	size_t piece_at, piece_length;
};

/* False at the end. */
static bool next_piece(struct table_stream *t)
{
	const struct pool_table *table = t->service->table;
	const char *comma = t->next ? "," : "";
	uint16_t owner;
	int n;

	if (!t->begun) {
		t->begun = true;
		n = snprintf(t->piece, sizeof(t->piece), "{\"service\":\"%s\",\"size\":%u,",
			     t->service->service->name, table->size);
	} else if (t->ended) {
		return false;
	} else if (t->next == table->size) {
		t->ended = true;
		n = snprintf(t->piece, sizeof(t->piece), "]}");
	} else {
		owner = table->live[t->next];
		if (t->next == 0)
			comma = "\"slots\":[";
		t->next++;
		if (owner < t->service->n_backends)
			n = snprintf(t->piece, sizeof(t->piece), "%s\"%s\"", comma,
				     t->service->backends[owner]->name);
		else
			n = snprintf(t->piece, sizeof(t->piece), "%snull", comma);
	}
	t->piece_at = 0;
	t->piece_length = (size_t)n;
	return true;
}

static size_t read_table(void *stream, char *buffer, size_t size)
{
	struct table_stream *t = stream;
	size_t used = 0;

	while (used < size) {
		size_t left = t->piece_length - t->piece_at;
		size_t n = left < size - used ? left : size - used;

		if (left == 0) {
			if (!next_piece(t))
				break;
			continue;
		}
		memcpy(buffer + used, t->piece + t->piece_at, n);
		t->piece_at += n;
		used += n;
	}
	return used;
}

static void free_table(void *stream)
{
	struct table_stream *t = stream;

	snapshot_unref(t->snapshot);
	free(t);
}

void control_get_table(void *context, const struct http_request *q, struct http_response *ret)
{
	const struct daemon *d = context;
	const struct live_service *s = control_required_service(d, q, ret);
	const struct snapshot_service *service = NULL;
	struct table_stream *t;
	char error[CONTROL_TEXT_MAX];

	if (!s)
		return;
	if (s->settings.balance != BALANCE_MAGLEV) {
		snprintf(error, sizeof(error), "service \"%.100s\" balances by %s: it has no table",
			 s->service->name, balance_kind_name(s->settings.balance));
		control_refuse(409, error, "backends and explain show loads and who is next", ret);
		return;
	}
	if (d->snapshot)
		service = snapshot_find(d->snapshot, s->service);
	t = service && service->table ? calloc(1, sizeof(*t)) : NULL;
	if (!t) {
		control_refuse(500, "there is no table at this time", "try again", ret);
		return;
	}
	t->snapshot = snapshot_ref(d->snapshot);
	t->service = service;
	ret->content_type = "application/json";
	ret->read = read_table;
	ret->free = free_table;
	ret->stream = t;
}
