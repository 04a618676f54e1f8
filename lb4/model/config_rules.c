// SPDX-License-Identifier: BSD-2-Clause
/* What holds between settings: what must be there, what excludes what, which is at most which. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "config_read.h"
#include "config_value.h"
#include "prefix_list.h"
#include "source_address.h"
#include "text.h"

const struct given *find_given(const struct reading *reading, const char *key)
{
	const struct section *s = reading->section;

	return &reading->given[section_find(s, key) - s->settings];
}

bool rule_refuse_missing(struct reader *r, const struct yaml_node *key, const struct setting *s)
{
	faults_add(r->faults, key ? key->line : 0, key ? key->column : 0, "%s: %s",
		   key ? key->text : s->key, s->required);
	faults_hint(r->faults, "add %s", s->key);
	return false;
}

static bool require(struct reader *r, const struct reading *reading)
{
	bool good = true;

	/* What a broken-off mapping lacks may stand further on. */
	if (reading->mapping->open)
		return true;
	for (size_t i = 0; reading->section->settings[i].key; i++) {
		const struct setting *s = &reading->section->settings[i];

		if (s->required && !s->perhaps && !reading->given[i].key)
			good = rule_refuse_missing(r, reading->key, s);
	}
	return good;
}

/*
 * `s` may not be above `most`. A default gives way; what somebody wrote is never changed, so when
 * that is above the default of `most`, it is a fault.
 */
static bool keep_below(struct reader *r, const struct reading *reading, const struct setting *s,
		       const struct setting *most)
{
	const struct given *small = find_given(reading, s->key);
	const struct given *large = find_given(reading, most->key);
	uint64_t value = field_load(reading->target, s->into);
	uint64_t limit = field_load(reading->target, most->into);
	char texts[2][32];

	if (value <= limit || (small->key && !small->good) || (large->key && !large->good))
		return true;
	if (!small->key) {
		field_store(reading->target, s->into, limit);
		return true;
	}
	faults_add(r->faults, small->value->line, small->value->column,
		   "%s: %s is above %s, which is %s%s", s->key,
		   text_print_duration(value, texts[0], sizeof(texts[0])), most->key,
		   text_print_duration(limit, texts[1], sizeof(texts[1])),
		   large->key ? "" : " unless it is set");
	faults_hint(r->faults, "raise %s, or lower %s", most->key, s->key);
	return false;
}

static bool keep_order(struct reader *r, const struct reading *reading)
{
	bool good = true;

	for (const struct setting *s = reading->section->settings; s->key; s++)
		if (s->at_most)
			good &= keep_below(r, reading, s,
					   section_find(reading->section, s->at_most));
	return good;
}

static const struct {
	const char *key;
	enum check_kind kind;
	const char *instead_of; /* the other way to say the same, not both at once */
} check_keys[] = {
	{"tcp", CHECK_TCP},
	{"http", CHECK_HTTP},
	{"redis", CHECK_REDIS},
	{"postgres", CHECK_POSTGRES},
	{"mysql", CHECK_MYSQL},
	{"memcached", CHECK_MEMCACHED},
	{"amqp", CHECK_AMQP},
	{"smtp", CHECK_SMTP},
	{"exec", CHECK_EXEC},
	{"send", CHECK_SEND_EXPECT},
	{"expect", CHECK_SEND_EXPECT},
	{"send_hex", CHECK_SEND_EXPECT, "send"},
	{"expect_hex", CHECK_SEND_EXPECT, "expect"},
};
#define N_CHECK_KEYS (sizeof(check_keys) / sizeof(check_keys[0]))

/* Keys that one kind of check alone has. */
static const struct {
	const char *key;
	enum check_kind kind;
	const char *whose;
	const char *add; /* what makes a check one of that kind */
} keys_of_kinds[] = {
	{"host", CHECK_HTTP, "an http check", "http: /PATH"},
	{"status", CHECK_HTTP, "an http check", "http: /PATH"},
	{"body", CHECK_HTTP, "an http check", "http: /PATH"},
	{"user", CHECK_MYSQL, "a mysql check", "mysql: true"},
};

static bool rule_keys_of_kinds(struct reader *r, const struct reading *reading)
{
	const struct check_config *check = reading->target;
	bool good = true;

	for (size_t i = 0; i < sizeof(keys_of_kinds) / sizeof(keys_of_kinds[0]); i++) {
		const struct given *given = find_given(reading, keys_of_kinds[i].key);

		if (!given->key || check->kind == keys_of_kinds[i].kind)
			continue;
		faults_add(r->faults, given->key->line, given->key->column, "%s: only %s has it",
			   keys_of_kinds[i].key, keys_of_kinds[i].whose);
		faults_hint(r->faults, "add %s, or remove %s", keys_of_kinds[i].add,
			    keys_of_kinds[i].key);
		good = false;
	}
	return good;
}

/* There is no shell that would search for a program, or take a line apart. */
static bool rule_exec(struct reader *r, const struct reading *reading)
{
	const struct check_config *check = reading->target;
	const struct given *given = find_given(reading, "exec");
	const struct yaml_node *value = given->value;
	char quoted[QUOTED_MAX];
	const char *path;

	if (!given->good)
		return true;
	path = check->exec[0];
	if (*path != '/') {
		faults_add(r->faults, value->line, value->column,
			   "exec: %s: expected the path of a program, beginning with /",
			   faults_quote(path, strlen(path), quoted));
		faults_hint(r->faults, "write exec: [/PATH/TO/PROGRAM, ARGUMENT, ...]");
		return false;
	}
	if (value->kind == NODE_SCALAR && strpbrk(path, " \t")) {
		faults_add(r->faults, value->line, value->column,
			   "exec: %s: no shell takes a line apart",
			   faults_quote(path, strlen(path), quoted));
		faults_hint(r->faults, "write exec: [/PATH/TO/PROGRAM, ARGUMENT, ...]");
		return false;
	}
	return true;
}

/* Sets the kind of the check from the keys that are there: exactly one kind. */
static bool rule_check_kind(struct reader *r, const struct reading *reading)
{
	struct check_config *check = reading->target;
	const struct given *first = NULL;
	bool good = true;

	for (size_t i = 0; i < N_CHECK_KEYS; i++) {
		const struct given *given = find_given(reading, check_keys[i].key), *other = NULL;

		if (!given->key)
			continue;
		if (!first) {
			first = given;
			check->kind = check_keys[i].kind;
		} else if (check->kind != check_keys[i].kind) {
			other = first;
		}
		if (check_keys[i].instead_of) {
			const struct given *same = find_given(reading, check_keys[i].instead_of);

			other = same->key ? same : other;
		}
		if (!other)
			continue;
		faults_add(r->faults, given->key->line, given->key->column,
			   "a check is of one kind, and %s comes beside %s", given->key->text,
			   other->key->text);
		faults_hint(r->faults, "remove one of them");
		good = false;
	}
	if (!first && !reading->mapping->open) {
		faults_add(r->faults, reading->key->line, reading->key->column,
			   "check: expected one of tcp, http, redis, postgres, mysql, memcached, "
			   "amqp, smtp, exec, send, expect");
		faults_hint(r->faults, "such as {http: /healthz}; check: none for no check");
		good = false;
	}
	return good;
}

static bool rule_check(struct reader *r, const struct reading *reading)
{
	bool good = rule_check_kind(r, reading);

	if (good && !reading->mapping->open)
		good = rule_keys_of_kinds(r, reading);
	return rule_exec(r, reading) && good;
}

/* Doubt wants to be short: without a word about it, a quarter of the interval. */
static void set_fast_interval(const struct reading *reading)
{
	struct check_config *check = reading->target;
	const struct setting *s = section_find(reading->section, "fast_interval");

	if (find_given(reading, s->key)->key)
		return;
	check->fast_interval = check->interval / 4;
	if (check->fast_interval < s->min)
		check->fast_interval = s->min;
}

/* A backend whose share is less than one slot would be there and never be chosen. */
static bool rule_shares(struct reader *r, const struct reading *reading)
{
	const struct service_config *service = reading->target;
	uint64_t totals[2] = {}; /* of primaries and of backups: each has tables of its own */

	if (find_given(reading, "table_size")->key && !find_given(reading, "table_size")->good)
		return true;
	for (size_t i = 0; i < service->n_backends; i++)
		totals[service->backends[i].backup] += service->backends[i].weight;
	for (size_t i = 0; i < service->n_backends && i < r->backends.n; i++) {
		const struct backend_config *b = &service->backends[i];
		const struct yaml_node *n = r->backends.items[i].node;
		uint64_t total = totals[b->backup];

		if (b->weight == 0 || (uint64_t)b->weight * service->settings.table_size >= total)
			continue;
		faults_add(r->faults, n->line, n->column,
			   "backend \"%s\": its share, weight %" PRIu32 " of %" PRIu64
			   " in all, is less than one of the %" PRIu32 " slots of table_size",
			   b->name, b->weight, total, service->settings.table_size);
		faults_hint(r->faults, "give it more weight, or the service a larger table_size");
		return false;
	}
	return true;
}

/* Each backend must be reachable from one of the source addresses. */
static bool rule_source_addresses(struct reader *r, const struct reading *reading)
{
	const struct service_config *service = reading->target;
	const struct prefix_list *list = service->settings.source_addresses;
	const struct given *given = find_given(reading, "source_address");
	char text[PREFIX_TEXT_MAX];

	for (size_t i = 0; list && i < list->n; i++) {
		if (list->items[i].bits >= 112)
			continue;
		faults_add(r->faults, given->value->line, given->value->column,
			   "source_address: %s are more than %u addresses",
			   prefix_print(&list->items[i], text), SOURCE_RANGE_MAX);
		faults_hint(r->faults, "name a smaller range of addresses of this machine");
		return false;
	}
	for (size_t i = 0; list && i < service->n_backends && i < r->backends.n; i++) {
		const struct backend_config *b = &service->backends[i];
		const struct yaml_node *n = r->backends.items[i].node;

		if (source_address_count(list, b->address.family) > 0)
			continue;
		faults_add(r->faults, n->line, n->column,
			   "backend \"%s\": source_address has no %s address to reach it from",
			   b->name, b->address.family == ADDRESS_IPV4 ? "IPv4" : "IPv6");
		faults_hint(r->faults, "add one of that family to source_address");
		return false;
	}
	return true;
}

/* A backend that wants a header wants it from probes as well, where they are for the same server. */
static void set_check_proxy(struct service_config *service)
{
	struct check_config *check = &service->check;

	if (check->proxy != CHECK_PROXY_AUTO)
		return;
	check->proxy = service->settings.proxy_out;
	if (check->kind == CHECK_EXEC || check->port || !address_is_wildcard(&check->address))
		check->proxy = PROXY_NONE;
}

static int compare_prefixes(const void *a, const void *b)
{
	return prefix_compare(a, b);
}

/* The longest prefix decides, so none may be in both lists. */
static bool rule_access(struct reader *r, const struct reading *reading)
{
	const struct service_config *service = reading->target;
	const struct yaml_node *list = find_given(reading, "deny")->value, *node = NULL;
	_cleanup_(freep) struct prefix *allowed = NULL;
	char text[PREFIX_TEXT_MAX];
	bool good = true;

	if (!find_given(reading, "allow")->good || !find_given(reading, "deny")->good)
		return true;
	allowed = calloc(service->settings.allow->n, sizeof(allowed[0]));
	if (!allowed) {
		r->faults->no_memory = true;
		return false;
	}
	memcpy(allowed, service->settings.allow->items,
	       service->settings.allow->n * sizeof(allowed[0]));
	qsort(allowed, service->settings.allow->n, sizeof(allowed[0]), compare_prefixes);
	/* The list was read without a fault: its entries are those of the file. */
	for (size_t i = 0; i < service->settings.deny->n; i++) {
		const struct prefix *denied = &service->settings.deny->items[i];

		if (list->kind != NODE_SEQUENCE)
			node = list;
		else
			node = i == 0 ? yaml_first(list) : yaml_next(list, node);
		if (!bsearch(denied, allowed, service->settings.allow->n, sizeof(allowed[0]),
			     compare_prefixes))
			continue;
		faults_add(r->faults, node->line, node->column, "deny: %s is also in allow",
			   prefix_print(denied, text));
		faults_hint(r->faults, "the longest prefix decides; remove one of the two");
		good = false;
	}
	return good;
}

/* What only a table needs says nothing, or was meant for another balance. */
static bool rule_balance(struct reader *r, const struct reading *reading)
{
	static const char *const keys[] = {"hash", "table_size"};
	const struct service_config *service = reading->target;
	const char *balance = balance_kind_name(service->settings.balance);
	bool good = true;

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		const struct given *given = find_given(reading, keys[i]);

		if (!given->key)
			continue;
		faults_add(r->faults, given->key->line, given->key->column,
			   "%s: balance: %s does not hash", keys[i], balance);
		faults_hint(r->faults, "remove %s, or say balance: maglev", keys[i]);
		good = false;
	}
	return good;
}

static bool rule_service(struct reader *r, const struct reading *reading)
{
	const struct service_config *service = reading->target;
	bool hashes = service->settings.balance == BALANCE_MAGLEV;
	bool good = rule_backend_addresses(r);

	set_check_proxy(reading->target);
	good &= rule_access(r, reading);
	good &= rule_tls_routes(r, reading);
	good &= rule_nat(r, reading);
	if (!hashes)
		good &= rule_balance(r, reading);
	if (hashes && find_given(reading, "backends")->good)
		good &= rule_shares(r, reading);
	if (find_given(reading, "source_address")->good)
		good &= rule_source_addresses(r, reading);
	return good;
}

bool rules_apply(struct reader *r, const struct reading *reading)
{
	const struct section *s = reading->section;
	bool good = require(r, reading);

	good &= keep_order(r, reading);
	if (s == &schema_check) {
		good &= rule_check(r, reading);
		set_fast_interval(reading);
	} else if (s == &schema_hash) {
		/* The mapping is the long form of the word. */
		((struct service_settings *)reading->target)->hash = HASH_SOURCE;
	} else if (s == &schema_fastpath) {
		good &= rule_nat_ports(r, reading);
	} else if (s == &schema_service) {
		good &= rule_service(r, reading);
	} else if (s == &schema_file) {
		good &= rule_listen_addresses(r);
		good &= rule_targets(r, reading);
		good &= rule_interfaces(r, reading);
	}
	return good;
}
