// SPDX-License-Identifier: BSD-2-Clause
/*
 * Every small text that lb4 reads: addresses, prefixes, durations, numbers, words that were meant,
 * and backends as an operator gives them. What is accepted prints to a text that reads back as the
 * same; what is not has its reason. One text, or a name and an address on two lines.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "prefix.h"
#include "text.h"

#include "fuzz.h"

static void check_address(const char *text, bool wildcard)
{
	struct sockaddr_storage sockaddr;
	struct address a, again;
	char printed[ADDRESS_TEXT_MAX];
	const char *why = NULL;
	int r = address_parse(text, wildcard, &a, &why);

	if (r < 0) {
		assert(r == -EINVAL && why && *why);
		return;
	}
	assert(a.port > 0 && (wildcard || !address_is_wildcard(&a)));
	assert(strlen(address_print(&a, printed)) < sizeof(printed));
	assert(address_parse(printed, true, &again, &why) == 0);
	assert(address_equal(&a, &again));
	if (a.family == ADDRESS_ANY)
		return;
	address_to_sockaddr(&a, &sockaddr);
	assert(address_from_sockaddr(&sockaddr, &again) == 0);
	assert(address_equal(&a, &again));
}

static void check_prefix(const char *text)
{
	char printed[PREFIX_TEXT_MAX];
	struct prefix p, again;
	const char *why = NULL;
	int r = prefix_parse(text, &p, &why);

	if (r < 0)
		assert((r == -EINVAL || r == -ERANGE) && why && *why);
	if (r == -EINVAL)
		return;
	assert(prefix_parse(prefix_print(&p, printed), &again, &why) == 0);
	assert(prefix_equal(&p, &again));
}

static void check_duration(const char *text)
{
	char printed[32];
	const char *why = NULL;
	nsec_t value, again;
	int r = text_parse_duration(text, &value, &why);

	if (r < 0) {
		assert((r == -EINVAL || r == -ERANGE) && why && *why);
		return;
	}
	assert(value <= UINT64_MAX / 2);
	assert(text_parse_duration(text_print_duration(value, printed, sizeof(printed)), &again,
				   &why) == 0);
	assert(value == again);
	/* The same value in the largest unit that is exact; zeros in front are not counted. */
	assert(strlen(printed) <= strlen(text));
}

static void check_number(const char *text)
{
	uint64_t value, again;
	int r = text_parse_unsigned(text, UINT64_MAX, &value);

	assert(r == 0 || r == -EINVAL || r == -ERANGE);
	if (r < 0)
		return;
	assert(text_parse_unsigned(text, value, &again) == 0 && again == value);
	if (value > 0)
		assert(text_parse_unsigned(text, value - 1, &again) == -ERANGE);
}

static void check_nearest(const char *text)
{
	static const char *const words[] = {"listen",  "backends", "check", "http",
					    "timeout", "a",	   "",	    NULL};
	const char *near = text_nearest(text, words);

	for (size_t i = 0; words[i]; i++)
		if (!strcmp(text, words[i]))
			assert(near == words[i]);
}

static void check_backend(const char *name, const char *address)
{
	struct backend_config b;
	char *error = NULL;
	int r = backend_config_parse(name, address, 1, &b, &error);

	if (r < 0) {
		assert(r == -EINVAL && error && fuzz_is_printable(error));
		free(error);
		return;
	}
	assert(!error && !strcmp(b.name, name) && strlen(name) <= NAME_LENGTH_MAX);
	assert(name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				 "0123456789-_.")] == '\0');
	backend_config_deinit(&b);
}

/* As --check has it. */
static void check_quick(const char *check, const char *address)
{
	static const char *const listens[] = {":80"};
	struct config_errors errors;
	struct config *c = NULL;
	int r = config_quick(listens, 1, &address, 1, check, &c, &errors);

	assert(r == 0 || r == -EINVAL);
	assert((r == 0) == (c != NULL) && (r == 0) == (errors.n_errors == 0));
	config_errors_deinit(&errors);
	config_free(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, size};
	char *first = fuzz_take_text(&in, '\n'), *second = fuzz_take_rest(&in);

	check_address(first, true);
	check_address(first, false);
	check_prefix(first);
	check_duration(first);
	check_number(first);
	check_nearest(first);
	check_backend(first, second);
	check_quick(first, second);
	free(first);
	free(second);
	return 0;
}
