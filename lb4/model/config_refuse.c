// SPDX-License-Identifier: BSD-2-Clause
/* What a setting expects, in words, for those who wrote something else. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "config_value.h"
#include "text.h"

/* The longest is a list of numbers. What does not fit is cut. */
#define EXPECTED_MAX 256

static void __attribute__((format(printf, 2, 3))) append(char *buffer, const char *format, ...)
{
	size_t length = strlen(buffer);
	va_list args;

	va_start(args, format);
	vsnprintf(buffer + length, EXPECTED_MAX - length, format, args);
	va_end(args);
}

static void append_range(char *buffer, const struct setting *s)
{
	char least[32], most[32];

	switch (s->type) {
	case SETTING_NUMBER:
		if (s->numbers) {
			append(buffer, "one of");
			for (const uint32_t *n = s->numbers; *n; n++)
				append(buffer, "%s %" PRIu32, n == s->numbers ? "" : ",", *n);
		} else {
			append(buffer, "a whole number from %" PRIu64 " to %" PRIu64, s->min,
			       s->max);
		}
		break;
	case SETTING_DURATION:
		append(buffer, "a duration from %s to %s",
		       text_print_duration(s->min, least, sizeof(least)),
		       text_print_duration(s->max, most, sizeof(most)));
		break;
	case SETTING_SIZE:
		append(buffer, "a size from %s to %s",
		       text_print_size(s->min, least, sizeof(least)),
		       text_print_size(s->max, most, sizeof(most)));
		break;
	case SETTING_PERCENT:
		append(buffer, "a percentage from %" PRIu64 "%% to %" PRIu64 "%%", s->min, s->max);
		break;
	case SETTING_TEXT:
	case SETTING_BYTES:
		append(buffer, "%" PRIu64 " to %" PRIu64 " bytes of text", s->min, s->max);
		break;
	case SETTING_HEX:
		append(buffer, "%" PRIu64 " to %" PRIu64 " bytes in hexadecimal", s->min, s->max);
		break;
	case SETTING_TEXTS:
		append(buffer, "a text or a sequence of up to %" PRIu64 " of them", s->max);
		break;
	case SETTING_PREFIXES:
		append(buffer, "a prefix such as 10.0.0.0/8 or a sequence of them");
		break;
	case SETTING_STATUS:
		append(buffer, "an HTTP status or a range of them (%" PRIu64 "-%" PRIu64 ")",
		       s->min, s->max);
		break;
	case SETTING_PORTS:
		append(buffer, "a range of ports from %" PRIu64 " to %" PRIu64, s->min, s->max);
		break;
	case SETTING_TRUE:
		append(buffer, "true");
		break;
	case SETTING_IP:
		append(buffer, "an IP address");
		break;
	case SETTING_ADDRESS:
	case SETTING_LISTEN:
		append(buffer, "ADDRESS:PORT%s", s->type == SETTING_LISTEN ? " or :PORT" : "");
		break;
	case SETTING_SECTION:
		append(buffer, "a mapping");
		break;
	case SETTING_SERVICES:
	case SETTING_BACKENDS:
		append(buffer, "a mapping of names to %s",
		       s->type == SETTING_SERVICES ? "services" : "addresses");
		break;
	case SETTING_ROUTES:
		append(buffer, "a sequence of routes");
		break;
	case SETTING_HOOKS:
		append(buffer, "an interface's name or a sequence of up to %" PRIu64 " of them",
		       s->max);
		break;
	case SETTING_WORD:
		break;
	}
}

static const char *separator(size_t i, size_t n)
{
	return i == 0 ? "" : i + 1 == n ? " or " : ", ";
}

/* "auto, 0 or a whole number from 1 to 64" */
static char *print_expected(const struct setting *s, char buffer[EXPECTED_MAX])
{
	size_t i = 0, n = s->zero + (s->type != SETTING_WORD);

	for (const struct word *w = s->words; w && w->text; w++)
		n++;
	buffer[0] = '\0';
	for (const struct word *w = s->words; w && w->text; w++, i++)
		append(buffer, "%s%s", separator(i, n), w->text);
	if (s->zero)
		append(buffer, "%s0", separator(i++, n));
	if (s->type != SETTING_WORD) {
		append(buffer, "%s", separator(i, n));
		append_range(buffer, s);
	}
	return buffer;
}

void value_refuse_kind(const struct setting *s, const struct yaml_node *n, struct faults *faults)
{
	char expected[EXPECTED_MAX], quoted[QUOTED_MAX];
	const char *found;

	if (n->kind == NODE_MAPPING)
		found = "a mapping";
	else if (n->kind == NODE_SEQUENCE)
		found = yaml_count(n) || n->open ? "a sequence" : "an empty sequence";
	else if (yaml_is_null(n))
		found = "nothing";
	else
		found = faults_quote(n->text, n->length, quoted);
	faults_add(faults, n->line, n->column, "%s: expected %s, found %s", s->key,
		   print_expected(s, expected), found);
}

void value_refuse_range(const struct setting *s, const struct yaml_node *n, struct faults *faults)
{
	char expected[EXPECTED_MAX], quoted[QUOTED_MAX];

	faults_add(faults, n->line, n->column, "%s: %s is out of range, expected %s", s->key,
		   faults_quote(n->text, n->length, quoted), print_expected(s, expected));
}
