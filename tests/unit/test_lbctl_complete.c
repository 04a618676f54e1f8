// SPDX-License-Identifier: BSD-2-Clause
/*
 * Completion of lbctl's command line, by a real bash and the script that is installed. The
 * environment names the program (LBCTL), that script (LBCTL_BASH), and what stands for a TAB
 * (LBCTL_TAB).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "lbctl_run.h"

#include "test.h"

static const char *program;

static void use(const char *what)
{
	setenv("LBCTL", what, 1);
}

/* What a TAB at the end of `line` offers, with blanks between; "~" is a word not begun. */
static char *offered(struct fixture *f, const char *line)
{
	use(getenv("LBCTL_TAB"));
	run(f, line);
	use(program);
	assert_string_equal(f->err, "");
	assert_int_equal(f->status, 0);
	for (char *p = f->out; *p; p++)
		if (*p == '\n')
			*p = p[1] ? ' ' : '\0';
	return f->out;
}

static void completes_lines(void **state)
{
	static const struct {
		const char *line, *offered;
	} cases[] = {
		{"st", "status stop"},
		{"dr", "drift drain"},
		{"xyz", ""},
		{"drain ~", "web cache"},
		{"drain w", "web"},
		{"drain web ~", "web1 web2 web3"},
		{"drain web web2", "web2"},
		{"drain cache ~", "redis1"},
		{"drain nothing ~", ""},
		{"drain web web1 ~", ""},
		{"drain web web1 more ~", ""},
		{"drain web web1 --", "--socket --json --help --version --timeout --wait"},
		{"drain web web1 --wait --t", "--timeout"},
		{"drain web web1 --timeout ~", ""},
		{"drain web web1 --timeout 5s --", "--socket --json --help --version --wait"},
		{"drain --timeout=5s web ~", "web1 web2 web3"},
		{"drain --timeout 5s -- web ~", "web1 web2 web3"},
		{"--json --socket", "--socket"},
		{"--json weight c", "cache"},
		{"weight web web1 ~", ""},
		{"add ~", "web cache"},
		{"add web ~", ""}, /* a new name */
		{"explain web ~", ""},
		{"explain web 10.0.0.1:5 --l", "--local"},
		{"explain web 10.0.0.1:5 --local 192.0.2.10:8", ""},
		{"help ev", "events"},
		{"events ~", "web cache"},
		{"events -n 5 w", "web"},
		{"events -n5 w", "web"},
		{"events web -f --s", "--socket --since"},
		{"cap", "capture"},
		{"capture ~", "web cache"},
		{"capture web -c 5 --", "--socket --json --help --version --write --for --drops"},
		{"--nonsense=1 sta", "status"},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		if (strcmp(offered(f, cases[i].line), cases[i].offered))
			fail_msg("lbctl %s: \"%s\", not \"%s\"", cases[i].line, f->out,
				 cases[i].offered);
}

static void completes_files(void **state)
{
	struct fixture *f = *state;
	char line[256];

	write_file(f, "");
	snprintf(line, sizeof(line), "check %s/f", f->directory);
	assert_string_equal(offered(f, line), f->file);
	snprintf(line, sizeof(line), "--socket %s/lb", f->directory);
	assert_string_equal(offered(f, line), f->socket);
	snprintf(line, sizeof(line), "--socket=%s/lb", f->directory);
	assert_string_equal(offered(f, line), f->socket);
	/* Whose names are asked for then. */
	unsetenv("LB4_SOCKET");
	snprintf(line, sizeof(line), "--socket=%s weight w", f->socket);
	assert_string_equal(offered(f, line), "web");
	snprintf(line, sizeof(line), "weight --socket %s w", f->socket);
	assert_string_equal(offered(f, line), "web");
}

/* No daemon, no names, and no word of that either. */
static void without_a_daemon(void **state)
{
	struct fixture *f = *state;

	f->control = control_stop(f->control);
	assert_string_equal(offered(f, "drain ~"), "");
	assert_string_equal(offered(f, "dra"), "drain");
}

/* The words that lines of help begin with, after two blanks. */
static size_t help_words(char *text, char *ret[64])
{
	size_t n = 0;

	for (char *save, *line = strtok_r(text, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		if (strncmp(line, "  ", 2) || line[2] == ' ')
			continue;
		line[2 + strcspn(line + 2, " ")] = '\0';
		assert_true(n < 64);
		ret[n++] = line + 2;
	}
	return n;
}

/* `word` is one of those in `text`. */
static void assert_word(const char *text, const char *word)
{
	size_t length = strlen(word);

	for (const char *p = text; (p = strstr(p, word)); p++)
		if ((p == text || p[-1] == ' ') && (!p[length] || p[length] == ' '))
			return;
	fail_msg("\"%s\" is not offered: %s", word, text);
}

/* Every verb that help tells, and every option of each. */
static void offers_what_help_tells(void **state)
{
	struct fixture *f = *state;
	_cleanup_(freep) char *all = NULL;
	char *words[64], *more[64];
	size_t n;

	assert_run(f, "--help", 0);
	all = strdup(f->out);
	n = help_words(all, words);
	assert_true(n > 17);
	offered(f, "~");
	for (size_t i = 0; i < n; i++)
		if (words[i][0] != '-')
			assert_word(f->out, words[i]);
	for (size_t i = 0; i < n; i++) {
		_cleanup_(freep) char *help = NULL;
		char line[64];
		size_t n_options;

		if (words[i][0] == '-')
			continue;
		snprintf(line, sizeof(line), "help %s", words[i]);
		assert_run(f, line, 0);
		help = strdup(f->out);
		n_options = help_words(help, more);
		snprintf(line, sizeof(line), "%s --", words[i]);
		offered(f, line);
		for (size_t j = 0; j < n_options; j++)
			assert_word(f->out, more[j]);
		assert_word(f->out, "--json");
	}
}

static int begin(void **state)
{
	(void)state;
	program = strdup(getenv("LBCTL"));
	setenv("LBCTL_PROGRAM", program, 1);
	return 0;
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		LBCTL_TEST(completes_lines),
		LBCTL_TEST(completes_files),
		LBCTL_TEST(without_a_daemon),
		LBCTL_TEST(offers_what_help_tells),
	};

	return cmocka_run_group_tests(tests, begin, NULL);
}
