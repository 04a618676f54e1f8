// SPDX-License-Identifier: BSD-2-Clause
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "config_value.h"
#include "text.h"

uint64_t field_load(const void *target, struct field field)
{
	const char *p = (const char *)target + field.offset;

	switch (field.size) {
	case 1:
		return *(const uint8_t *)p;
	case 2:
		return *(const uint16_t *)p;
	case 4:
		return *(const uint32_t *)p;
	case 8:
		return *(const uint64_t *)p;
	}
	assert(!"a field of 1, 2, 4 or 8 bytes");
	return 0;
}

void field_store(void *target, struct field field, uint64_t value)
{
	char *p = (char *)target + field.offset;

	switch (field.size) {
	case 1:
		*(uint8_t *)p = (uint8_t)value;
		return;
	case 2:
		*(uint16_t *)p = (uint16_t)value;
		return;
	case 4:
		*(uint32_t *)p = (uint32_t)value;
		return;
	case 8:
		*(uint64_t *)p = value;
		return;
	}
	assert(!"a field of 1, 2, 4 or 8 bytes");
}

static bool read_true(const struct setting *s, const struct yaml_node *n, void *target,
		      struct faults *faults)
{
	(void)target;
	if (!strcmp(n->text, "true"))
		return true;
	value_refuse_kind(s, n, faults);
	faults_hint(faults, "write %s: true, or leave it out", s->key);
	return false;
}

static bool read_backend_address(const struct setting *s, const struct yaml_node *n, void *target,
				 struct faults *faults)
{
	return value_read_address(s->key, n, false,
				  (struct address *)(void *)((char *)target + s->into.offset),
				  faults);
}

static bool read_nothing(const struct setting *s, const struct yaml_node *n, void *target,
			 struct faults *faults)
{
	(void)target;
	value_refuse_kind(s, n, faults);
	return false;
}

static bool (*const readers[])(const struct setting *s, const struct yaml_node *n, void *target,
			       struct faults *faults) = {
	[SETTING_WORD] = read_nothing,
	[SETTING_NUMBER] = value_read_number,
	[SETTING_DURATION] = value_read_duration,
	[SETTING_SIZE] = value_read_size,
	[SETTING_PERCENT] = value_read_percent,
	[SETTING_TEXT] = value_read_text,
	[SETTING_BYTES] = value_read_bytes,
	[SETTING_HEX] = value_read_hex,
	[SETTING_TEXTS] = value_read_texts,
	[SETTING_PREFIXES] = value_read_prefixes,
	[SETTING_STATUS] = value_read_status,
	[SETTING_PORTS] = value_read_ports,
	[SETTING_TRUE] = read_true,
	[SETTING_ADDRESS] = read_backend_address,
	[SETTING_IP] = value_read_ip,
	[SETTING_SECTION] = read_nothing,
	[SETTING_LISTEN] = read_nothing,
	[SETTING_SERVICES] = read_nothing,
	[SETTING_BACKENDS] = read_nothing,
	[SETTING_ROUTES] = read_nothing,
	[SETTING_HOOKS] = read_nothing,
};

/* Ways to say no and yes; a setting that knows one of a group is told about by the others. */
static const char *const groups[][8] = {
	{"off", "none", "no", "false", "disable", "disabled"},
	{"on", "yes", "true", "enable", "enabled"},
};

static bool in_group(const char *const *group, const char *text)
{
	for (; *group; group++)
		if (!strcasecmp(*group, text))
			return true;
	return false;
}

static bool means_same(const char *a, const char *b)
{
	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++)
		if (in_group(groups[i], a) && in_group(groups[i], b))
			return true;
	return false;
}

void value_hint_word(const struct setting *s, const struct yaml_node *n, struct faults *faults)
{
	const char *words[SECTION_SETTINGS_MAX], *nearest;
	size_t n_words = 0;

	for (const struct word *w = s->words; w && w->text; w++) {
		if (means_same(w->text, n->text))
			faults_hint(faults, "did you mean %s?", w->text);
		words[n_words++] = w->text;
	}
	words[n_words] = NULL;
	nearest = text_nearest(n->text, words);
	if (nearest)
		faults_hint(faults, "did you mean %s?", nearest);
}

/* A scalar where a mapping may stand: perhaps one of its keys, on its way to be one. */
static void hint_section(const struct setting *s, const struct yaml_node *n, struct faults *faults)
{
	size_t length = strcspn(n->text, ":");

	for (const struct setting *k = s->section->settings; k->key; k++) {
		if (strlen(k->key) != length || strncmp(k->key, n->text, length))
			continue;
		if (n->text[length])
			faults_hint(faults, "a blank is missing after \"%s:\"", k->key);
		else
			faults_hint(faults, "write {%s: ...}, see lb4.yaml(5)", k->key);
	}
}

static bool read_word(const struct setting *s, const struct yaml_node *n, void *target)
{
	for (const struct word *w = s->words; w && w->text; w++) {
		if (strcmp(w->text, n->text))
			continue;
		if (w->value != WORD_DEFAULT)
			field_store(target, s->into, w->value);
		return true;
	}
	return false;
}

bool value_holds_nul(const char *key, const struct yaml_node *n, struct faults *faults)
{
	if (strlen(n->text) == n->length)
		return false;
	faults_add(faults, n->line, n->column, "%s: a NUL character", key);
	faults_hint(faults, "remove the escape \\0");
	return true;
}

bool value_read(const struct setting *s, const struct yaml_node *n, void *target,
		struct faults *faults)
{
	if (s->type != SETTING_BYTES && value_holds_nul(s->key, n, faults))
		return false;
	if (read_word(s, n, target) || readers[s->type](s, n, target, faults))
		return true;
	if (!faults_want_hint(faults))
		return false;
	if (s->section)
		hint_section(s, n, faults);
	value_hint_word(s, n, faults);
	faults_hint(faults, "%s: %s", s->key, s->description);
	return false;
}

bool value_default(const struct setting *s, void *target)
{
	char text[64];
	struct yaml_node n = {.kind = NODE_SCALAR, .span = 1, .text = text};
	struct faults faults = FAULTS_INIT;
	bool done;

	if (!s->default_text)
		return true;
	n.length = (uint32_t)snprintf(text, sizeof(text), "%s", s->default_text);
	done = value_read(s, &n, target, &faults);
	assert(done || faults.no_memory);
	faults_deinit(&faults);
	return done;
}
