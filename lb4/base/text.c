// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"

static const struct {
	const char *name;
	nsec_t nsec;
} units[] = {
	/* Largest first, for printing. */
	{"d", 86400 * NSEC_PER_SEC},
	{"h", 3600 * NSEC_PER_SEC},
	{"m", 60 * NSEC_PER_SEC},
	{"s", NSEC_PER_SEC},
	{"ms", NSEC_PER_MSEC},
	{"us", NSEC_PER_USEC},
	{"ns", 1},
};
#define N_UNITS (sizeof(units) / sizeof(units[0]))

static const struct {
	const char *name, *long_name;
	uint64_t bytes;
} size_units[] = {
	/* Largest first, for printing. */
	{"T", "TiB", 1ULL << 40},
	{"G", "GiB", 1ULL << 30},
	{"M", "MiB", 1ULL << 20},
	{"K", "KiB", 1ULL << 10},
	{"", "B", 1},
};
#define N_SIZE_UNITS (sizeof(size_units) / sizeof(size_units[0]))

/* The number that `text` begins with; *ret_end is what follows it. */
static int parse_digits(const char *text, const char **ret_end, uint64_t *ret, const char **ret_why)
{
	const char *p = text;
	uint64_t value = 0;

	if (*p < '0' || *p > '9')
		return -EINVAL;
	for (; *p >= '0' && *p <= '9'; p++) {
		if (__builtin_mul_overflow(value, (uint64_t)10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(*p - '0'), &value)) {
			*ret_why = "the number is too large";
			return -ERANGE;
		}
	}
	*ret_end = p;
	*ret = value;
	return 0;
}

int text_parse_duration(const char *text, nsec_t *ret, const char **ret_why)
{
	const char *p;
	nsec_t value;
	int r;

	*ret_why = "expected a whole number and a unit (ns us ms s m h d), such as 250ms or 2s";
	r = parse_digits(text, &p, &value, ret_why);
	if (r < 0)
		return r;
	if (!*p) {
		if (value != 0) {
			*ret_why = "the unit is missing (ns us ms s m h d), such as 250ms or 2s";
			return -EINVAL;
		}
		*ret = 0;
		return 0;
	}
	for (size_t i = 0; i < N_UNITS; i++) {
		if (strcmp(p, units[i].name))
			continue;
		/* Half the range is 292 years, and leaves room to add to the clock. */
		if (__builtin_mul_overflow(value, units[i].nsec, &value) ||
		    value > UINT64_MAX / 2) {
			*ret_why = "the duration is too long";
			return -ERANGE;
		}
		*ret = value;
		return 0;
	}
	return -EINVAL;
}

int text_parse_size(const char *text, uint64_t *ret, const char **ret_why)
{
	const char *p;
	uint64_t value;
	int r;

	*ret_why = "expected a whole number and a unit (K M G T), such as 512M or 2G";
	r = parse_digits(text, &p, &value, ret_why);
	if (r < 0)
		return r;
	if (!*p && value != 0) {
		*ret_why = "the unit is missing (K M G T), such as 512M or 2G";
		return -EINVAL;
	}
	for (size_t i = 0; i < N_SIZE_UNITS; i++) {
		if (strcmp(p, size_units[i].name) && strcmp(p, size_units[i].long_name))
			continue;
		if (__builtin_mul_overflow(value, size_units[i].bytes, ret)) {
			*ret_why = "the size is too large";
			return -ERANGE;
		}
		return 0;
	}
	return -EINVAL;
}

char *text_print_size(uint64_t value, char *buffer, size_t size)
{
	size_t i = 0;

	while (value % size_units[i].bytes || (value == 0 && size_units[i].bytes > 1))
		i++;
	snprintf(buffer, size, "%" PRIu64 "%s", value / size_units[i].bytes, size_units[i].name);
	return buffer;
}

char *text_print_duration(nsec_t value, char *buffer, size_t size)
{
	size_t i = 0;

	if (value == 0) {
		snprintf(buffer, size, "0");
		return buffer;
	}
	while (value % units[i].nsec)
		i++;
	snprintf(buffer, size, "%" PRIu64 "%s", value / units[i].nsec, units[i].name);
	return buffer;
}

char *text_print_time(nsec_t wall, char buffer[TEXT_TIME_MAX])
{
	time_t seconds = (time_t)(wall / NSEC_PER_SEC);
	struct tm tm;
	size_t n;

	gmtime_r(&seconds, &tm);
	n = strftime(buffer, TEXT_TIME_MAX, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(buffer + n, TEXT_TIME_MAX - n, ".%03uZ",
		 (unsigned)(wall % NSEC_PER_SEC / NSEC_PER_MSEC));
	return buffer;
}

int text_parse_unsigned(const char *text, uint64_t max, uint64_t *ret)
{
	uint64_t base = 10, value = 0;

	if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
		base = 16;
		text += 2;
	}
	if (!*text)
		return -EINVAL;
	for (; *text; text++) {
		uint64_t digit;

		if (*text >= '0' && *text <= '9')
			digit = (uint64_t)(*text - '0');
		else if (base == 16 && *text >= 'a' && *text <= 'f')
			digit = (uint64_t)(*text - 'a' + 10);
		else if (base == 16 && *text >= 'A' && *text <= 'F')
			digit = (uint64_t)(*text - 'A' + 10);
		else
			return -EINVAL;
		if (__builtin_mul_overflow(value, base, &value) ||
		    __builtin_add_overflow(value, digit, &value))
			return -ERANGE;
	}
	if (value > max)
		return -ERANGE;
	*ret = value;
	return 0;
}

#define NEAREST_MAX 40

/* Edit distance with transpositions of neighbours counted once (optimal string alignment). */
static size_t distance(const char *a, const char *b)
{
	size_t n = strlen(a), m = strlen(b);
	size_t rows[3][NEAREST_MAX + 1];

	for (size_t j = 0; j <= m; j++)
		rows[0][j] = j;
	for (size_t i = 1; i <= n; i++) {
		size_t *before = rows[(i + 1) % 3], *last = rows[(i - 1) % 3], *row = rows[i % 3];

		row[0] = i;
		for (size_t j = 1; j <= m; j++) {
			size_t best = last[j - 1] + (a[i - 1] != b[j - 1]);

			if (last[j] + 1 < best)
				best = last[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    before[j - 2] + 1 < best)
				best = before[j - 2] + 1;
			row[j] = best;
		}
	}
	return rows[n % 3][m];
}

const char *text_nearest(const char *text, const char *const *words)
{
	const char *nearest = NULL;
	size_t best = SIZE_MAX;

	if (strlen(text) > NEAREST_MAX)
		return NULL;
	for (; *words; words++) {
		size_t length = strlen(*words), d;

		if (length > NEAREST_MAX)
			continue;
		d = distance(text, *words);
		if (d < best && d <= (length + 2) / 3) {
			best = d;
			nearest = *words;
		}
	}
	return nearest;
}

/*
 * Bytes of the printable UTF-8 character at `p` (RFC 3629), 0 when there is none. Of the second
 * byte some leads allow a part only: no overlong forms, no surrogates, nothing past U+10FFFF, and
 * no C1 controls.
 */
static size_t character(const unsigned char *p)
{
	static const struct {
		unsigned char lead, lead_last, second, second_last;
		size_t length;
	} forms[] = {
		{0x20, 0x7e, 0, 0xff, 1},    {0xc2, 0xc2, 0xa0, 0xbf, 2},
		{0xc3, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
		{0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3},
		{0xee, 0xef, 0x80, 0xbf, 3}, {0xf0, 0xf0, 0x90, 0xbf, 4},
		{0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
	};

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		if (*p < forms[i].lead || *p > forms[i].lead_last)
			continue;
		if (p[1] < forms[i].second || p[1] > forms[i].second_last)
			return 0;
		for (size_t j = 2; j < forms[i].length; j++)
			if ((p[j] & 0xc0) != 0x80)
				return 0;
		return forms[i].length;
	}
	return 0;
}

char *text_make_printable(char *text)
{
	for (char *p = text; *p;) {
		size_t length = character((const unsigned char *)p);

		if (length == 0)
			*p = '?';
		p += length ? length : 1;
	}
	return text;
}

size_t text_list_length(char *const *list)
{
	size_t n = 0;

	while (list && list[n])
		n++;
	return n;
}

void text_list_free(char **list)
{
	for (size_t i = 0; list && list[i]; i++)
		free(list[i]);
	free(list);
}

char **text_list_copy(char *const *list)
{
	size_t n = text_list_length(list);
	char **copy = n ? calloc(n + 1, sizeof(copy[0])) : NULL;

	for (size_t i = 0; copy && i < n; i++) {
		copy[i] = strdup(list[i]);
		if (!copy[i]) {
			text_list_free(copy);
			return NULL;
		}
	}
	return copy;
}

bool text_list_equal(char *const *a, char *const *b)
{
	size_t n = text_list_length(a);

	if (n != text_list_length(b))
		return false;
	for (size_t i = 0; i < n; i++)
		if (strcmp(a[i], b[i]))
			return false;
	return true;
}
