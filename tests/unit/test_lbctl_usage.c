// SPDX-License-Identifier: BSD-2-Clause
/*
 * tools/lbctl: its command line, its help and its manual page, which the environment names
 * (LBCTL_MAN); and daemons that are not there.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "lbctl_run.h"
#include "unix_socket.h"

#include "test.h"

static void tells_usage(void **state)
{
	static const struct {
		const char *line, *err;
	} cases[] = {
		{"", "usage: lbctl"},
		{"stauts",
		 "there is no verb \"stauts\"\n  did you mean \"status\"?\n  verbs: status "},
		{"xyzzy-plugh", "there is no verb \"xyzzy-plugh\"\n  verbs: status "},
		{"status now", "lbctl: status takes no arguments\nusage: lbctl "},
		{"table", "lbctl: table takes SERVICE\n"},
		{"explain web", "lbctl: explain takes SERVICE CLIENT:PORT\n"},
		{"add web web4", "lbctl: add takes SERVICE NAME ADDRESS:PORT\n"},
		{"add web web4 10.0.0.4:80 more", "lbctl: add takes SERVICE NAME ADDRESS:PORT\n"},
		{"backends web cache", "lbctl: backends takes [SERVICE]\n"},
		{"drain web web1 --wiat",
		 "drain has no option \"--wiat\"\n  did you mean \"--wait\"?"},
		{"status --wait", "lbctl: status has no option \"--wait\"\n"},
		{"--wait", "usage: lbctl"},
		{"--jsn status", "did you mean \"--json\"?"},
		{"--nonsense", "lbctl: there is no option \"--nonsense\"\n"},
		{"-x status", "no option \"-x\""},
		{"status --socket", "lbctl: --socket needs a value: --socket PATH\n"},
		{"events -n", "lbctl: --last needs a value: --last N\n"},
		{"events -f5", "no option \"-f5\""},
		{"status -f", "status has no option \"--follow\""},
		{"status --json=yes", "lbctl: --json takes no value\n"},
		{"weight web web1 heavy", "the weight is not a whole number: \"heavy\""},
		{"weight web web1 -1", "the weight is not a whole number: \"-1\""},
		{"add web web4 10.0.0.4:80 --weight -1", "not a whole number: \"-1\""},
		{"capture web cache", "lbctl: capture takes [SERVICE|CLIENT]\n"},
		{"capture web -c 0", "the count is not a whole number above 0: \"0\""},
		{"capture web -c many", "not a whole number above 0: \"many\""},
		{"capture web -t soon", "the time is no duration: \"soon\"\n  such as 30"},
		{"capture web -w", "lbctl: --write needs a value: --write FILE\n"},
		{"help stauts", "did you mean \"status\"?"},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_run(f, cases[i].line, 2);
		assert_part(f->err, cases[i].err);
	}
	assert_string_equal(f->fake.asked, ""); /* the daemon heard of nothing */
}

static void options_stand_anywhere(void **state)
{
	static const char *const lines[] = {
		"--json --timeout 30s drain web web1",
		"drain --json web --timeout 30s web1",
		"drain web web1 --timeout=30s --json",
		"--timeout=30s drain --json -- web web1",
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		f->fake.asked[0] = '\0';
		assert_run(f, lines[i], 0);
		assert_string_equal(f->fake.asked, "admin web web1 draining 30000ms");
		assert_int_equal(f->out[0], '{');
	}
}

static void unreachable_daemons(void **state)
{
	struct fixture *f = *state;
	struct unix_socket mute = UNIX_SOCKET_INIT;
	char line[256];

	f->control = control_stop(f->control);
	assert_run(f, "status", 3);
	assert_part(f->err, "lbctl: lb4 is not reachable at /tmp/");
	assert_part(f->err, ": No such file or directory\n  is lb4 running?");
	snprintf(line, sizeof(line), "drain web web1 --wait --socket %s/other.sock", f->directory);
	assert_run(f, line, 3);
	assert_part(f->err, "/other.sock: ");
	/* A file that is no socket, and a path that is none. */
	write_file(f, "");
	snprintf(line, sizeof(line), "--socket %s status", f->file);
	assert_run(f, line, 3);
	snprintf(line, sizeof(line), "--socket /%0200d status", 0);
	assert_run(f, line, 3);
	/* Somebody who hangs up at once. */
	assert_int_equal(unix_socket_open(f->socket, &mute), 0);
	close(take_fd(mute.fd));
	assert_run(f, "status", 3);
	unix_socket_deinit(&mute);
}

static char *read_page(void)
{
	const char *path = getenv("LBCTL_MAN");
	static char page[65536];
	FILE *file;

	assert_non_null(path);
	file = fopen(path, "r");
	assert_non_null(file);
	page[fread(page, 1, sizeof(page) - 1, file)] = '\0';
	assert_false(ferror(file));
	fclose(file);
	return page;
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

/* "--timeout" as the page writes it, or a verb, in bold. */
static void assert_documented(const char *page, const char *word)
{
	char bold[128] = "\n.B ", *p = bold + strlen(bold);

	for (; *word; word++) {
		if (*word == '-')
			*p++ = '\\';
		*p++ = *word;
	}
	*p = '\0';
	for (const char *at = page; (at = strstr(at, bold)); at++) {
		char after = at[strlen(bold)];

		if (after == '\n' || after == ' ')
			return;
	}
	fail_msg("the manual page does not explain \"%s\"", bold + 4);
}

static void page_explains_all(void **state)
{
	struct fixture *f = *state;
	_cleanup_(freep) char *all = NULL;
	char *page = read_page(), *words[64], *more[64];
	size_t n, n_verbs = 0;

	assert_run(f, "--help", 0);
	all = strdup(f->out);
	n = help_words(all, words);
	for (size_t i = 0; i < n; i++) {
		char line[64];
		size_t n_options;

		assert_documented(page, words[i]);
		if (words[i][0] == '-')
			continue;
		n_verbs++;
		snprintf(line, sizeof(line), "help %s", words[i]);
		assert_run(f, line, 0);
		assert_part(f->out, words[i]);
		n_options = help_words(f->out, more);
		for (size_t j = 0; j < n_options; j++)
			assert_documented(page, more[j]);
	}
	assert_true(n_verbs >= 18); /* the table was read */
}

static void helps(void **state)
{
	struct fixture *f = *state;
	_cleanup_(freep) char *all = NULL;

	assert_run(f, "--help", 0);
	all = strdup(f->out);
	assert_run(f, "help", 0);
	assert_string_equal(f->out, all);
	assert_run(f, "-h", 0);
	assert_string_equal(f->out, all);
	assert_run(f, "help drain", 0);
	assert_part(f->out, "usage: lbctl [--socket PATH] [--json] drain SERVICE NAME "
			    "[--timeout T] [--wait]\n");
	assert_run(f, "drain --help", 0);
	assert_part(f->out, "[--timeout T] [--wait]\n");
	assert_run(f, "--version", 0);
	assert_string_equal(f->out, "lbctl " LB4_VERSION "\n");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		LBCTL_TEST(tells_usage),
		LBCTL_TEST(options_stand_anywhere),
		LBCTL_TEST(unreachable_daemons),
		LBCTL_TEST(page_explains_all),
		LBCTL_TEST(helps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
