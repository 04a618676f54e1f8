// SPDX-License-Identifier: BSD-2-Clause
/* Values that are numbers: plain ones, durations, percentages, HTTP statuses, ranges of ports. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "config_value.h"
#include "text.h"

static bool in_range(const struct setting *s, uint64_t value)
{
	if (s->zero && value == 0)
		return true;
	if (!s->numbers)
		return value >= s->min && value <= s->max;
	for (const uint32_t *n = s->numbers; *n; n++)
		if (*n == value)
			return true;
	return false;
}

/* What was probably meant by something that is no whole number. */
static void hint_number(const struct yaml_node *n, struct faults *faults)
{
	char digits[24];
	size_t length = 0;

	if (n->text[0] == '-')
		faults_hint(faults, "it cannot be negative");
	if (strchr(n->text, '.'))
		faults_hint(faults, "fractions are not supported");
	for (const char *p = n->text; *p; p++) {
		if (*p == '_' || *p == ',' || *p == '\'' || *p == '+' || *p == ' ')
			continue;
		if (!isdigit((unsigned char)*p) || length + 1 == sizeof(digits))
			return;
		digits[length++] = *p;
	}
	digits[length] = '\0';
	if (length > 0)
		faults_hint(faults, "did you mean %s?", digits);
}

bool value_read_number(const struct setting *s, const struct yaml_node *n, void *target,
		       struct faults *faults)
{
	uint64_t value;
	int r;

	/* 010 is eight to YAML 1.1 and ten to YAML 1.2. */
	if (n->text[0] == '0' && isdigit((unsigned char)n->text[1])) {
		const char *digits = n->text + strspn(n->text, "0");

		value_refuse_kind(s, n, faults);
		faults_hint(faults, "a leading zero is octal to some: write %s",
			    *digits ? digits : "0");
		return false;
	}
	r = text_parse_unsigned(n->text, UINT64_MAX, &value);
	if (r == -EINVAL) {
		value_refuse_kind(s, n, faults);
		hint_number(n, faults);
		return false;
	}
	if (r < 0 || !in_range(s, value)) {
		value_refuse_range(s, n, faults);
		return false;
	}
	field_store(target, s->into, value);
	return true;
}

/* Units as people write them elsewhere. */
static const struct {
	const char *text, *unit;
} unit_habits[] = {
	{"sec", "s"},	 {"secs", "s"},	 {"second", "s"}, {"seconds", "s"},
	{"min", "m"},	 {"mins", "m"},	 {"minute", "m"}, {"minutes", "m"},
	{"hr", "h"},	 {"hrs", "h"},	 {"hour", "h"},	  {"hours", "h"},
	{"day", "d"},	 {"days", "d"},	 {"msec", "ms"},  {"millis", "ms"},
	{"msecs", "ms"}, {"usec", "us"}, {"µs", "us"},	  {"milliseconds", "ms"},
	{"ns", "ns"},	 {"us", "us"},	 {"ms", "ms"},	  {"s", "s"},
	{"m", "m"},	 {"h", "h"},	 {"d", "d"},
};

static void hint_duration(const struct yaml_node *n, struct faults *faults)
{
	size_t digits = strspn(n->text, "0123456789");
	const char *unit = n->text + digits;

	if (n->text[0] == '-')
		faults_hint(faults, "it cannot be negative");
	if (digits == 0 || digits > 20)
		return;
	if (*unit == '.')
		faults_hint(faults, "fractions are not supported; write 1500ms for 1.5s");
	if (!*unit)
		faults_hint(faults, "did you mean \"%ss\"?", n->text);
	unit += strspn(unit, " ");
	for (size_t i = 0; i < sizeof(unit_habits) / sizeof(unit_habits[0]); i++)
		if (!strcasecmp(unit, unit_habits[i].text))
			faults_hint(faults, "did you mean \"%.*s%s\"?", (int)digits, n->text,
				    unit_habits[i].unit);
}

bool value_read_duration(const struct setting *s, const struct yaml_node *n, void *target,
			 struct faults *faults)
{
	char quoted[QUOTED_MAX], step[32];
	const char *why;
	nsec_t value;
	int r = text_parse_duration(n->text, &value, &why);

	if (r == -EINVAL) {
		faults_add(faults, n->line, n->column, "%s: %s: %s", s->key,
			   faults_quote(n->text, n->length, quoted), why);
		hint_duration(n, faults);
		return false;
	}
	if (r < 0 || !in_range(s, value)) {
		value_refuse_range(s, n, faults);
		return false;
	}
	if (s->step && value % s->step) {
		text_print_duration(s->step, step, sizeof(step));
		faults_add(faults, n->line, n->column, "%s: %s is not a multiple of %s", s->key,
			   faults_quote(n->text, n->length, quoted), step);
		faults_hint(faults, "the kernel counts this in steps of %s; did you mean %s?", step,
			    text_print_duration((value / s->step + 1) * s->step, quoted,
						sizeof(quoted)));
		return false;
	}
	field_store(target, s->into, value);
	return true;
}

/* Multiples of 1024 under the names they have elsewhere; powers of ten would be a surprise. */
static void hint_size(const struct yaml_node *n, struct faults *faults)
{
	size_t digits = strspn(n->text, "0123456789");
	const char *unit = n->text + digits;
	static const char letters[] = "KMGT";
	const char *letter;

	if (n->text[0] == '-')
		faults_hint(faults, "it cannot be negative");
	if (digits == 0 || digits > 20)
		return;
	if (*unit == '.')
		faults_hint(faults, "fractions are not supported; write 1536M for 1.5G");
	if (!*unit)
		faults_hint(faults, "did you mean \"%sM\"?", n->text);
	unit += strspn(unit, " ");
	letter = *unit ? strchr(letters, toupper((unsigned char)*unit)) : NULL;
	if (letter && (!unit[1] || !strcasecmp(unit + 1, "b") || !strcasecmp(unit + 1, "ib")))
		faults_hint(faults, "did you mean \"%.*s%c\"?", (int)digits, n->text, *letter);
}

bool value_read_size(const struct setting *s, const struct yaml_node *n, void *target,
		     struct faults *faults)
{
	char quoted[QUOTED_MAX];
	const char *why;
	uint64_t value;
	int r = text_parse_size(n->text, &value, &why);

	if (r == -EINVAL) {
		faults_add(faults, n->line, n->column, "%s: %s: %s", s->key,
			   faults_quote(n->text, n->length, quoted), why);
		hint_size(n, faults);
		return false;
	}
	if (r < 0 || !in_range(s, value)) {
		value_refuse_range(s, n, faults);
		return false;
	}
	field_store(target, s->into, value);
	return true;
}

bool value_read_percent(const struct setting *s, const struct yaml_node *n, void *target,
			struct faults *faults)
{
	size_t digits = strspn(n->text, "0123456789");
	char number[8];
	uint64_t value;

	if (digits == 0 || strcmp(n->text + digits, "%")) {
		value_refuse_kind(s, n, faults);
		if (digits > 0 && digits < 4 && n->length == digits)
			faults_hint(faults, "did you mean \"%s%%\"?", n->text);
		return false;
	}
	if (digits >= sizeof(number)) {
		value_refuse_range(s, n, faults);
		return false;
	}
	memcpy(number, n->text, digits);
	number[digits] = '\0';
	if (text_parse_unsigned(number, UINT64_MAX, &value) < 0 || !in_range(s, value)) {
		value_refuse_range(s, n, faults);
		return false;
	}
	field_store(target, s->into, value);
	return true;
}

static bool parse_digits(const char *text, size_t length, unsigned *ret)
{
	*ret = 0;
	for (size_t i = 0; i < length; i++) {
		if (!isdigit((unsigned char)text[i]))
			return false;
		*ret = *ret * 10 + (unsigned)(text[i] - '0');
	}
	return true;
}

static bool parse_status(const char *text, size_t length, unsigned *ret)
{
	return length == 3 && parse_digits(text, length, ret);
}

/* With room for what is out of range, and no leading zero, which is octal to some. */
static bool parse_port(const char *text, size_t length, unsigned *ret)
{
	return length >= 1 && length <= 9 && *text != '0' && parse_digits(text, length, ret);
}

static bool store_range(const struct setting *s, const struct yaml_node *n, unsigned least,
			unsigned most, void *target, struct faults *faults)
{
	if (!in_range(s, least) || !in_range(s, most) || least > most) {
		value_refuse_range(s, n, faults);
		if (least > most)
			faults_hint(faults, "did you mean %u-%u?", most, least);
		return false;
	}
	field_store(target, s->into, least);
	field_store(target, s->also_into, most);
	return true;
}

bool value_read_status(const struct setting *s, const struct yaml_node *n, void *target,
		       struct faults *faults)
{
	const char *dash = strchr(n->text, '-');
	size_t length = dash ? (size_t)(dash - n->text) : n->length;
	unsigned least, most;

	if (!parse_status(n->text, length, &least) ||
	    !parse_status(dash ? dash + 1 : n->text, dash ? n->length - length - 1 : length,
			  &most)) {
		value_refuse_kind(s, n, faults);
		faults_hint(faults, "write 200, or 200-399");
		return false;
	}
	return store_range(s, n, least, most, target, faults);
}

bool value_read_ports(const struct setting *s, const struct yaml_node *n, void *target,
		      struct faults *faults)
{
	const char *dash = strchr(n->text, '-');
	size_t length = dash ? (size_t)(dash - n->text) : 0;
	unsigned low, high;

	if (!dash || !parse_port(n->text, length, &low) ||
	    !parse_port(dash + 1, n->length - length - 1, &high)) {
		value_refuse_kind(s, n, faults);
		faults_hint(faults, "write LOW-HIGH, such as %s", s->default_text);
		return false;
	}
	return store_range(s, n, low, high, target, faults);
}
