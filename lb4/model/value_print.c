// SPDX-License-Identifier: BSD-2-Clause
/* Single values of the configuration, from the member back to text. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "config_value.h"
#include "text.h"

/* One number says it all. */
static bool is_number(const struct setting *s)
{
	switch (s->type) {
	case SETTING_WORD:
	case SETTING_NUMBER:
	case SETTING_DURATION:
	case SETTING_PERCENT:
	case SETTING_TRUE:
		return s->into.size == 1 || s->into.size == 4 || s->into.size == 8;
	default:
		return false;
	}
}

bool value_is_simple(const struct setting *s)
{
	return is_number(s) || s->type == SETTING_ADDRESS;
}

static const struct address *address_at(const struct setting *s, const void *target)
{
	return (const struct address *)(const void *)((const char *)target + s->into.offset);
}

bool value_equal(const struct setting *s, const void *a, const void *b)
{
	if (s->type == SETTING_ADDRESS)
		return address_equal(address_at(s, a), address_at(s, b));
	return field_load(a, s->into) == field_load(b, s->into);
}

char *value_print(const struct setting *s, const void *target, char buffer[VALUE_TEXT_MAX])
{
	const char *word = NULL;
	uint64_t value;

	if (s->type == SETTING_ADDRESS)
		return address_print(address_at(s, target), buffer);
	value = field_load(target, s->into);
	if (s->words)
		word = words_find(s->words, value);
	if (s->type == SETTING_TRUE)
		word = value ? "true" : "false";
	if (word)
		snprintf(buffer, VALUE_TEXT_MAX, "%s", word);
	else if (s->type == SETTING_DURATION)
		text_print_duration(value, buffer, VALUE_TEXT_MAX);
	else
		snprintf(buffer, VALUE_TEXT_MAX, "%" PRIu64 "%s", value,
			 s->type == SETTING_PERCENT ? "%" : "");
	return buffer;
}
