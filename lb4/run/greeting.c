// SPDX-License-Identifier: BSD-2-Clause
#include <stdlib.h>
#include <string.h>

#include "connection.h"
#include "greeting.h"

void greeting_set(struct connection *c, const char *sni, const char *why)
{
	size_t length = strlen(sni);
	struct greeting *g = malloc(sizeof(*g) + length + 1);

	greeting_free(c);
	if (!g)
		return;
	*g = (struct greeting){.why = why};
	memcpy(g->sni, sni, length + 1);
	c->greeting = g;
}

void greeting_free(struct connection *c)
{
	if (c->greeting)
		service_unref(c->greeting->via);
	free(c->greeting);
	c->greeting = NULL;
}

struct service *greeting_via(const struct connection *c)
{
	return c->greeting ? c->greeting->via : NULL;
}

const char *greeting_why(const struct connection *c)
{
	return c->greeting ? c->greeting->why : NULL;
}

const char *greeting_sni(const struct connection *c)
{
	return c->greeting && c->greeting->sni[0] ? c->greeting->sni : NULL;
}
