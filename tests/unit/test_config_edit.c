// SPDX-License-Identifier: BSD-2-Clause
/*
 * config_edit(): files of many shapes, and backends that come, go and change. What is compared is
 * the whole text, so nothing else may have moved by a byte.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cleanup.h"
#include "config_edit.h"

#include "test.h"

#define WANTED_MAX 64

/* The backends of the file, changed by words: "+name=ADDRESS*WEIGHT", "-name", "name*WEIGHT",
 * "name=ADDRESS". */
struct wish {
	struct backend_config backends[WANTED_MAX];
	size_t n;
};

static void set_address(struct backend_config *b, const char *text)
{
	const char *why;

	assert_int_equal(address_parse(text, false, &b->address, &why), 0);
}

static struct backend_config *find(struct wish *w, const char *name)
{
	for (size_t i = 0; i < w->n; i++)
		if (!strcmp(w->backends[i].name, name))
			return &w->backends[i];
	fail_msg("no backend %s", name);
	return NULL;
}

static void take_word(struct wish *w, char *word)
{
	char *weight = strchr(word, '*'), *address = strchr(word, '=');
	struct backend_config *b;

	if (weight)
		*weight++ = '\0';
	if (address)
		*address++ = '\0';
	if (*word == '-') {
		b = find(w, word + 1);
		free(b->name);
		memmove(b, b + 1, (size_t)(&w->backends[w->n] - (b + 1)) * sizeof(*b));
		w->n--;
		return;
	}
	if (*word == '+') {
		assert_true(w->n < WANTED_MAX);
		b = &w->backends[w->n++];
		*b = (struct backend_config){.name = strdup(word + 1), .weight = 1};
	} else {
		b = find(w, word);
	}
	if (address)
		set_address(b, address);
	if (weight)
		b->weight = (uint32_t)atoi(weight);
}

static struct wish make_wish(const struct service_config *s, const char *words)
{
	struct wish w = {};
	char copy[1024], *rest = copy, *word;

	for (size_t i = 0; i < s->n_backends; i++) {
		w.backends[w.n] = s->backends[i];
		w.backends[w.n++].name = strdup(s->backends[i].name);
	}
	snprintf(copy, sizeof(copy), "%s", words);
	while ((word = strsep(&rest, " ")))
		if (*word)
			take_word(&w, word);
	return w;
}

static void wish_deinit(struct wish *w)
{
	for (size_t i = 0; i < w->n; i++)
		free(w->backends[i].name);
}

static struct config *parse(const char *text)
{
	struct config_errors errors;
	struct config *config = NULL;

	if (config_parse(text, strlen(text), &config, &errors) < 0)
		fail_msg("%u: %s\n%s", errors.errors[0].line, errors.errors[0].message, text);
	config_errors_deinit(&errors);
	return config;
}

/* Edits the first service. */
static int edit(const char *text, const char *words, struct config_edit *ret, char **ret_error)
{
	_cleanup_(config_freep) struct config *config = parse(text);
	struct wish w = make_wish(&config->services[0], words);
	const struct wanted_service wanted = {config->services[0].name, w.backends, w.n};
	int r = config_edit(config, "lb4.yaml", &wanted, 1, ret, ret_error);

	wish_deinit(&w);
	return r;
}

#define HEAD  "services:\n  web:\n    listen: \":80\" # everywhere\n"
#define BLOCK HEAD "    backends:\n"
#define OTHER "  cache: {listen: \":81\", backends: {a: \"10.0.0.1:1\"}} # stays\n"

static const struct {
	const char *before, *words, *after;
} cases[] = {
	/* One a line. */
	{BLOCK "      a: \"10.0.0.1:1\"   # first\n      b: \"10.0.0.1:2\"\n" OTHER,
	 "+c=10.0.0.1:3",
	 BLOCK "      a: \"10.0.0.1:1\"   # first\n      b: \"10.0.0.1:2\"\n"
	       "      c: \"10.0.0.1:3\"\n" OTHER},
	{BLOCK "      a: \"10.0.0.1:1\"\n      b: \"10.0.0.1:2\" # the last\n    # of web\n" OTHER,
	 "+c=10.0.0.1:3*7 +d=[::1]:4",
	 BLOCK "      a: \"10.0.0.1:1\"\n      b: \"10.0.0.1:2\" # the last\n"
	       "      c: {address: \"10.0.0.1:3\", weight: 7}\n"
	       "      d: \"[::1]:4\"\n    # of web\n" OTHER},
	{BLOCK "      a: \"10.0.0.1:1\"\n      # about b\n      b: \"10.0.0.1:2\" # b\n"
	       "      c: \"10.0.0.1:3\"\n",
	 "-b", BLOCK "      a: \"10.0.0.1:1\"\n      # about b\n      c: \"10.0.0.1:3\"\n"},
	{BLOCK "      a: \"10.0.0.1:1\"\n      b: \"10.0.0.1:2\"\n", "-b +c=10.0.0.1:3",
	 BLOCK "      a: \"10.0.0.1:1\"\n      c: \"10.0.0.1:3\"\n"},
	{BLOCK "      a: \"10.0.0.1:1\"\n", "-a +b=10.0.0.1:2", BLOCK "      b: \"10.0.0.1:2\"\n"},
	{BLOCK "      a: \"10.0.0.1:1\"", "+b=10.0.0.1:2",
	 BLOCK "      a: \"10.0.0.1:1\"\n      b: \"10.0.0.1:2\""},
	{BLOCK "      a: \"10.0.0.1:1\"\n      b: \"10.0.0.1:2\"", "-b",
	 BLOCK "      a: \"10.0.0.1:1\"\n"},
	/* From short to long, and along what is written. */
	{BLOCK "      a: \"10.0.0.1:1\" # a\n", "a*5",
	 BLOCK "      a: {address: \"10.0.0.1:1\", weight: 5} # a\n"},
	{BLOCK "      a: 10.0.0.1:1 # bare\n", "a*5",
	 BLOCK "      a: {address: \"10.0.0.1:1\", weight: 5} # bare\n"},
	{BLOCK "      a: '10.0.0.1:1'\n", "a*0",
	 BLOCK "      a: {address: '10.0.0.1:1', weight: 0}\n"},
	{BLOCK "      a:\n        \"10.0.0.1:1\"\n      b: >-\n        10.0.0.1:2\n", "a*5 b*6",
	 BLOCK "      a:\n        {address: \"10.0.0.1:1\", weight: 5}\n"
	       "      b: {address: \"10.0.0.1:2\", weight: 6}\n"},
	{BLOCK "      a: {address: \"10.0.0.1:1\", weight: 0x10} # a\n", "a*5",
	 BLOCK "      a: {address: \"10.0.0.1:1\", weight: 5} # a\n"},
	{BLOCK "      a: {weight: 3, address: \"10.0.0.1:1\"}\n", "a*1",
	 BLOCK "      a: {weight: 1, address: \"10.0.0.1:1\"}\n"},
	{BLOCK "      a: {address: \"10.0.0.1:1\", }\n", "a*5",
	 BLOCK "      a: {address: \"10.0.0.1:1\", weight: 5, }\n"},
	{BLOCK "      a:\n        address: \"10.0.0.1:1\" # rack 7\n        # slow\n"
	       "      b: \"10.0.0.1:2\"\n",
	 "a*5",
	 BLOCK "      a:\n        address: \"10.0.0.1:1\" # rack 7\n        weight: 5\n"
	       "        # slow\n      b: \"10.0.0.1:2\"\n"},
	{BLOCK "      a:\n        weight: 2 # two\n        address: \"10.0.0.1:1\"\n", "a*5",
	 BLOCK "      a:\n        weight: 5 # two\n        address: \"10.0.0.1:1\"\n"},
	{BLOCK "      a: \"10.0.0.1:1\" # moves\n      b: {address: \"10.0.0.1:2\"}\n",
	 "a=10.0.0.9:1 b=[2001:db8::1]:2*3",
	 BLOCK "      a: \"10.0.0.9:1\" # moves\n"
	       "      b: {address: \"[2001:db8::1]:2\", weight: 3}\n"},
	/* The new one is written as its neighbour is. */
	{BLOCK "      a:\n          address: \"10.0.0.1:1\"\n          weight: 2\n" OTHER,
	 "+b=10.0.0.1:2 +c=10.0.0.1:3*4",
	 BLOCK "      a:\n          address: \"10.0.0.1:1\"\n          weight: 2\n"
	       "      b:\n          address: \"10.0.0.1:2\"\n"
	       "      c:\n          address: \"10.0.0.1:3\"\n          weight: 4\n" OTHER},
	{BLOCK "      a:\n        address: \"10.0.0.1:1\"\n      b:\n"
	       "        address: \"10.0.0.1:2\"\n        weight: 5 # five\n",
	 "-b a*2", BLOCK "      a:\n        address: \"10.0.0.1:1\"\n        weight: 2\n"},
	{BLOCK "      \"a\": \"10.0.0.1:1\"\n", "+b=10.0.0.1:2",
	 BLOCK "      \"a\": \"10.0.0.1:1\"\n      \"b\": \"10.0.0.1:2\"\n"},
	{BLOCK "      a: \"10.0.0.1:1\"\n", "+null=10.0.0.1:2",
	 BLOCK "      a: \"10.0.0.1:1\"\n      \"null\": \"10.0.0.1:2\"\n"},
	/* In braces, on a line. */
	{HEAD "    backends: {a: \"10.0.0.1:1\"} # one\n", "+b=10.0.0.1:2",
	 HEAD "    backends: {a: \"10.0.0.1:1\", b: \"10.0.0.1:2\"} # one\n"},
	{HEAD "    backends: { a: \"10.0.0.1:1\", b: \"10.0.0.1:2\" }\n", "-a",
	 HEAD "    backends: { b: \"10.0.0.1:2\" }\n"},
	{HEAD "    backends: { a: \"10.0.0.1:1\", b: \"10.0.0.1:2\" }\n", "-b",
	 HEAD "    backends: { a: \"10.0.0.1:1\" }\n"},
	{HEAD "    backends: {a: \"10.0.0.1:1\", b: \"10.0.0.1:2\", c: \"10.0.0.1:3\"}\n",
	 "-a -c b*4 +d=10.0.0.1:4*2 +e=10.0.0.1:5",
	 HEAD "    backends: {b: {address: \"10.0.0.1:2\", weight: 4}, d: {address: "
	      "\"10.0.0.1:4\", weight: 2}, e: \"10.0.0.1:5\"}\n"},
	{HEAD "    backends: {a: \"10.0.0.1:1\", b: \"10.0.0.1:2\"}\n", "-a -b +c=10.0.0.1:3",
	 HEAD "    backends: { c: \"10.0.0.1:3\"}\n"},
	{HEAD "    backends: {a: \"10.0.0.1:1\",}\n", "+b=10.0.0.1:2",
	 HEAD "    backends: {a: \"10.0.0.1:1\", b: \"10.0.0.1:2\",}\n"},
	/* In braces, over lines. */
	{HEAD "    backends: {\n      a: \"10.0.0.1:1\", # a\n      b: \"10.0.0.1:2\" # b\n    }\n",
	 "+c=10.0.0.1:3",
	 HEAD "    backends: {\n      a: \"10.0.0.1:1\", # a\n      b: \"10.0.0.1:2\", # b\n"
	      "      c: \"10.0.0.1:3\"\n    }\n"},
	{HEAD "    backends: {\n      a: \"10.0.0.1:1\", # a, of course\n"
	      "      # b, too\n      b: \"10.0.0.1:2\" # b\n    }\n",
	 "-b", HEAD "    backends: {\n      a: \"10.0.0.1:1\" # a, of course\n    }\n"},
	{HEAD "    backends: {\n      a: \"10.0.0.1:1\", # a\n      b: \"10.0.0.1:2\",\n    }\n",
	 "-a +c=10.0.0.1:3",
	 HEAD "    backends: {\n      b: \"10.0.0.1:2\",\n      c: \"10.0.0.1:3\",\n    }\n"},
	{HEAD "    backends: {\n        a: \"10.0.0.1:1\"\n      , b: \"10.0.0.1:2\"\n    }\n",
	 "-b", HEAD "    backends: {\n        a: \"10.0.0.1:1\"\n      \n    }\n"},
	/* What follows a comment has a line of its own. */
	{HEAD "    backends: {\n      a: \"10.0.0.1:1\", # a\n      b: \"10.0.0.1:2\" } # all\n",
	 "-b", HEAD "    backends: {\n      a: \"10.0.0.1:1\" # a\n       } # all\n"},
	{HEAD "    backends: {\n      a: \"10.0.0.1:1\", # a\n      b: \"10.0.0.1:2\",\n"
	      "      c: \"10.0.0.1:3\", d: \"10.0.0.1:4\"\n    }\n",
	 "-b -c",
	 HEAD "    backends: {\n      a: \"10.0.0.1:1\", # a\n       d: \"10.0.0.1:4\"\n    }\n"},
	{HEAD "    backends: {\n      a: \"10.0.0.1:1\", # a\n"
	      "      b: \"10.0.0.1:2\", c: \"10.0.0.1:3\" }\n",
	 "-b -c +d=10.0.0.1:4",
	 HEAD "    backends: {\n      a: \"10.0.0.1:1\", # a\n      d: \"10.0.0.1:4\" }\n"},
	{HEAD "    backends: {a: \"10.0.0.1:1\" # a\n    }\n", "+b=10.0.0.1:2 +c=10.0.0.1:3",
	 HEAD "    backends: {a: \"10.0.0.1:1\", # a\n    b: \"10.0.0.1:2\",\n"
	      "    c: \"10.0.0.1:3\"\n    }\n"},
	/* JSON stays JSON. */
	{"{\"services\": {\"web\": {\"listen\": [\":80\"], \"backends\":\n"
	 "  {\"a\": \"10.0.0.1:1\", \"b\": {\"address\": \"10.0.0.1:2\"}}}}}\n",
	 "a*2 b*3 +c=10.0.0.1:3*4",
	 "{\"services\": {\"web\": {\"listen\": [\":80\"], \"backends\":\n"
	 "  {\"a\": {\"address\": \"10.0.0.1:1\", \"weight\": 2}, \"b\": {\"address\": "
	 "\"10.0.0.1:2\", \"weight\": 3}, \"c\": {\"address\": \"10.0.0.1:3\", \"weight\": "
	 "4}}}}}\n"},
	{"{\"services\":{\"web\":{\"listen\":\":80\",\"backends\":{\"a\":\"10.0.0.1:1\"}}}}",
	 "a*2 +b=10.0.0.1:2",
	 "{\"services\":{\"web\":{\"listen\":\":80\",\"backends\":{\"a\":{\"address\": "
	 "\"10.0.0.1:1\", \"weight\": 2}, \"b\": \"10.0.0.1:2\"}}}}"},
	/* Lines of other systems, characters of other alphabets, marks and documents. */
	{"services:\r\n  web:\r\n    listen: \":80\"\r\n    backends:\r\n      a: "
	 "\"10.0.0.1:1\"\r\n"
	 "      b: \"10.0.0.1:2\"\r\n",
	 "a*3 -b +c=10.0.0.1:3",
	 "services:\r\n  web:\r\n    listen: \":80\"\r\n    backends:\r\n"
	 "      a: {address: \"10.0.0.1:1\", weight: 3}\r\n      c: \"10.0.0.1:3\"\r\n"},
	{"# größer als nötig: ÄÖÜ 漢字 😀\n" BLOCK
	 "      a: \"10.0.0.1:1\" # für später\n      b: {address: \"10.0.0.1:2\"} # ß\n",
	 "b*9 +c=10.0.0.1:3",
	 "# größer als nötig: ÄÖÜ 漢字 😀\n" BLOCK "      a: \"10.0.0.1:1\" # für später\n"
	 "      b: {address: \"10.0.0.1:2\", weight: 9} # ß\n      c: \"10.0.0.1:3\"\n"},
	{"\xef\xbb\xbf---\n" BLOCK "      a: \"10.0.0.1:1\"\n...\n", "a*2 +b=10.0.0.1:2",
	 "\xef\xbb\xbf---\n" BLOCK "      a: {address: \"10.0.0.1:1\", weight: 2}\n"
	 "      b: \"10.0.0.1:2\"\n...\n"},
	{"services:\n    web:\n        backends:\n            a: \"10.0.0.1:1\"\n"
	 "        listen: \":80\"\n",
	 "+b=10.0.0.1:2",
	 "services:\n    web:\n        backends:\n            a: \"10.0.0.1:1\"\n"
	 "            b: \"10.0.0.1:2\"\n        listen: \":80\"\n"},
	/* What it does not change stays, and one that comes anew has nothing of its namesake. */
	{BLOCK "      a: {address: \"10.0.0.1:1\", max_connections: 9} # nine\n",
	 "a*5 +b=10.0.0.1:2",
	 BLOCK "      a: {address: \"10.0.0.1:1\", max_connections: 9, weight: 5} # nine\n"
	       "      b: \"10.0.0.1:2\"\n"},
	{BLOCK "      a: {address: \"10.0.0.1:1\", max_connections: 9}\n      b: \"10.0.0.1:2\"\n",
	 "-a +a=10.0.0.1:1",
	 BLOCK "      a: {address: \"10.0.0.1:1\", max_connections: 0}\n      b: \"10.0.0.1:2\"\n"},
	/* Nothing wanted, nothing changed. */
	{BLOCK "      a: 10.0.0.1:1\n", "a=10.0.0.1:1*1", BLOCK "      a: 10.0.0.1:1\n"},
};

static void edits_what_changes_alone(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(config_edit_deinit) struct config_edit e = {};
		_cleanup_(freep) char *error = NULL;
		int r = edit(cases[i].before, cases[i].words, &e, &error);

		if (r < 0)
			fail_msg("%s\n%s: %d: %s\n%s", cases[i].before, cases[i].words, r, error,
				 e.text ? e.text : "-");
		assert_string_equal(e.text, cases[i].after);
		assert_int_equal(e.size, strlen(cases[i].after));
		assert_int_equal(e.n_backends == 0, !strcmp(cases[i].before, cases[i].after));
		assert_int_equal(e.diff[0] == '\0', e.n_backends == 0);
	}
}

static void refuses_what_it_cannot_edit(void **state)
{
	static const struct {
		const char *before, *words, *error;
	} refused[] = {
		{BLOCK "      ? a\n      : \"10.0.0.1:1\"\n      ? b\n      : \"10.0.0.1:2\"\n",
		 "-a", "line 5 is written in a way that cannot be edited"},
		{BLOCK "      ? a\n      : \"10.0.0.1:1\"\n", "+b=10.0.0.1:2",
		 "line 5 is written in a way that cannot be edited"},
		/* What lb4 takes at run time may be more than it takes in a file. */
		{HEAD "    table_size: 251\n    backends:\n      a: \"10.0.0.1:1\"\n"
		      "      b: \"10.0.0.1:2\"\n",
		 "a*65535", "lb4 would not read it again: line 7: backend \"b\": its share"},
		{BLOCK "      a: \"10.0.0.1:1\"\n      b: \"10.0.0.1:2\"\n", "b=10.0.0.1:1",
		 "lb4 would not read it again: line 6: "},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		_cleanup_(config_edit_deinit) struct config_edit e = {};
		_cleanup_(freep) char *error = NULL;

		assert_int_equal(edit(refused[i].before, refused[i].words, &e, &error), -EINVAL);
		if (!error || strncmp(error, refused[i].error, strlen(refused[i].error)))
			fail_msg("%s: %s", refused[i].words, error ? error : "-");
	}
}

static void shows_a_diff(void **state)
{
	static const char before[] = BLOCK "      a: \"10.0.0.1:1\"\n"
					   "      b: \"10.0.0.1:2\"\n"
					   "      c: \"10.0.0.1:3\"\n"
					   "      d: \"10.0.0.1:4\"\n"
					   "      e: \"10.0.0.1:5\"\n"
					   "      f: \"10.0.0.1:6\"\n"
					   "      g: \"10.0.0.1:7\"\n"
					   "      h: \"10.0.0.1:8\"\n"
					   "      i: \"10.0.0.1:9\"";
	static const char after[] = "--- lb4.yaml\n+++ lb4.yaml\n"
				    "@@ -2,7 +2,6 @@\n"
				    "   web:\n"
				    "     listen: \":80\" # everywhere\n"
				    "     backends:\n"
				    "-      a: \"10.0.0.1:1\"\n"
				    "       b: \"10.0.0.1:2\"\n"
				    "       c: \"10.0.0.1:3\"\n"
				    "       d: \"10.0.0.1:4\"\n"
				    "@@ -10,4 +9,5 @@\n"
				    "       f: \"10.0.0.1:6\"\n"
				    "       g: \"10.0.0.1:7\"\n"
				    "       h: \"10.0.0.1:8\"\n"
				    "-      i: \"10.0.0.1:9\"\n"
				    "\\ No newline at end of file\n"
				    "+      i: {address: \"10.0.0.1:9\", weight: 2}\n"
				    "+      k: \"10.0.0.1:10\"\n"
				    "\\ No newline at end of file\n";
	_cleanup_(config_edit_deinit) struct config_edit e = {};
	_cleanup_(freep) char *error = NULL;

	(void)state;
	assert_int_equal(edit(before, "-a i*2 +k=10.0.0.1:10", &e, &error), 0);
	assert_string_equal(e.diff, after);
	assert_int_equal(e.n_backends, 3);
}

/* --- Any shape, any wish --- */

static uint64_t random_state;

static uint32_t draw(uint32_t below)
{
	random_state = random_state * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)((random_state >> 33) % below);
}

static void put(char **at, const char *text)
{
	*at = stpcpy(*at, text);
}

/* One backend of a random way to write it; `own_lines`: it may have several. */
static void put_backend(char **at, unsigned i, bool own_lines, const char *indent)
{
	static const char *const quotes[] = {"", "\"", "'"};
	const char *quote = quotes[draw(3)];

	*at += sprintf(*at, "%sb%u%s:", quote, i, quote);
	switch (draw(own_lines ? 5 : 3)) {
	case 0:
		*at += sprintf(*at, " \"10.0.0.1:%u\"", i + 1);
		break;
	case 1:
		*at += sprintf(*at, " {address: \"10.0.0.1:%u\"%s}", i + 1, draw(2) ? "," : "");
		break;
	case 2:
		*at += sprintf(*at, " {\"weight\": %u, address: '10.0.0.1:%u'}", draw(9), i + 1);
		break;
	case 3:
		*at += sprintf(*at, "\n%s  address: 10.0.0.1:%u # é\n%s  weight: %u", indent, i + 1,
			       indent, draw(9));
		break;
	case 4:
		*at += sprintf(*at, " # later\n%s    10.0.0.1:%u", indent, i + 1);
		break;
	}
}

static void put_backends(char **at, unsigned n)
{
	static const char *const ends[] = {"", " # end", ""};
	bool braces = draw(2), lines = !braces || draw(2);
	const char *indent = lines ? "\n      " : " ";

	put(at, braces ? "    backends: {" : "    backends:");
	for (unsigned i = 0; i < n; i++) {
		put(at, lines && draw(4) == 0 ? "\n      # note, of one" : "");
		put(at, indent);
		put_backend(at, i, !braces, "      ");
		if (braces && (i + 1 < n || draw(2)))
			put(at, draw(2) ? "," : " ,");
		put(at, lines ? ends[draw(3)] : "");
	}
	put(at, braces ? lines ? "\n    } # all\n" : " }\n" : "\n");
}

static void put_wish(char **at, unsigned n)
{
	unsigned left = n;

	for (unsigned i = 0; i < n; i++) {
		switch (draw(4)) {
		case 0:
			if (left-- > 1)
				*at += sprintf(*at, "-b%u ", i);
			else
				left = 1;
			break;
		case 1:
			*at += sprintf(*at, "b%u*%u ", i, draw(9));
			break;
		case 2:
			*at += sprintf(*at, "b%u=10.0.0.2:%u ", i, i + 1);
			break;
		}
	}
	for (unsigned i = draw(4); i > 0; i--)
		*at += sprintf(*at, "+n%u=10.0.0.3:%u*%u ", i, i, draw(3));
	**at = '\0';
}

/* Every file of these ways to write can be edited, and then says what was wished for. */
static void any_shape_any_wish(void **state)
{
	uint64_t seed = (uint64_t)time(NULL);

	(void)state;
	random_state = seed;
	for (int round = 0; round < 3000; round++) {
		_cleanup_(config_edit_deinit) struct config_edit e = {};
		_cleanup_(freep) char *error = NULL;
		char text[4096], words[1024] = "", *at = text;
		unsigned n = 1 + draw(5);
		int r;

		put(&at, HEAD);
		put_backends(&at, n);
		put(&at, draw(2) ? OTHER : "# the end");
		at = words;
		put_wish(&at, n);
		r = edit(text, words, &e, &error);
		if (r < 0)
			fail_msg("seed %llu, round %d: %s\n%s\n---\n%s\n---\n%s",
				 (unsigned long long)seed, round, error ? error : strerror(-r),
				 words, text, e.text ? e.text : "-");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(edits_what_changes_alone),
		cmocka_unit_test(refuses_what_it_cannot_edit),
		cmocka_unit_test(shows_a_diff),
		cmocka_unit_test(any_shape_any_wish),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
