// SPDX-License-Identifier: BSD-2-Clause
/*
 * tools/lbctl: the program itself, in front of the control API and a fake daemon, which this
 * process serves while lbctl runs. The environment names the program (LBCTL) and its manual page
 * (LBCTL_MAN).
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <jansson.h>

#include "cleanup.h"
#include "control.h"
#include "fake_daemon.h"
#include "unix_socket.h"

#include "test.h"

#define PATIENCE (20 * NSEC_PER_SEC)

extern char **environ;

struct fixture {
	struct fake_daemon fake;
	char directory[64], socket[128], file[128];
	struct control *control;	    /* NULL: nobody serves */
	void (*on_turn)(struct fixture *f); /* of the loop */
	bool terminal;			    /* lbctl's stdout is one */
	/* The last run. */
	int status;
	char *out, *err;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	fake_daemon_init(&f->fake);
	strcpy(f->directory, "/tmp/lb4-test-lbctl-XXXXXX");
	assert_non_null(mkdtemp(f->directory));
	snprintf(f->socket, sizeof(f->socket), "%s/lb4.sock", f->directory);
	snprintf(f->file, sizeof(f->file), "%s/file.yaml", f->directory);
	assert_int_equal(control_start(&f->fake.daemon, f->socket, &f->control), 0);
	setenv("LB4_SOCKET", f->socket, 1);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	control_stop(f->control);
	unlink(f->file);
	assert_int_equal(rmdir(f->directory), 0);
	fake_daemon_deinit(&f->fake);
	free(f->out);
	free(f->err);
	free(f);
	return 0;
}

/* --- Running lbctl --- */

/* Appends what there is at *fd; closes it at its end. */
static void drain(int *fd, char **text)
{
	char buffer[65536];
	size_t length = strlen(*text);
	ssize_t n = read(*fd, buffer, sizeof(buffer));

	if (n < 0 && errno == EINTR)
		return;
	if (n <= 0) { /* EIO: the other end of a terminal is closed */
		close(take_fd(*fd));
		return;
	}
	*text = realloc(*text, length + (size_t)n + 1);
	assert_non_null(*text);
	memcpy(*text + length, buffer, (size_t)n);
	(*text)[length + (size_t)n] = '\0';
}

static void serve(struct fixture *f, int out, int err)
{
	nsec_t until = clock_now() + PATIENCE;

	while (out >= 0 || err >= 0) {
		struct pollfd fds[] = {
			{.fd = out, .events = POLLIN},
			{.fd = err, .events = POLLIN},
			{.fd = f->control ? control_fd(f->control) : -1, .events = POLLIN},
		};

		assert_true(clock_now() < until);
		/* Short, as hooks want turns too. */
		poll(fds, 3, 10);
		if (fds[0].revents)
			drain(&out, &f->out);
		if (fds[1].revents)
			drain(&err, &f->err);
		if (f->on_turn)
			f->on_turn(f);
		if (f->control)
			control_run(f->control);
	}
}

static void open_terminal(int ends[2])
{
	char name[128];

	ends[0] = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	assert_true(ends[0] >= 0);
	assert_int_equal(grantpt(ends[0]), 0);
	assert_int_equal(unlockpt(ends[0]), 0);
	assert_int_equal(ptsname_r(ends[0], name, sizeof(name)), 0);
	ends[1] = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
	assert_true(ends[1] >= 0);
}

/* Runs "lbctl WORDS…", the words being separated by blanks. */
static void run(struct fixture *f, const char *line)
{
	_cleanup_(freep) char *words = strdup(line);
	char *program = getenv("LBCTL"), *argv[16] = {program}, *save;
	posix_spawn_file_actions_t actions;
	int out[2], err[2], wait_status;
	size_t n = 1;
	pid_t pid;

	assert_non_null(program);
	for (char *w = strtok_r(words, " ", &save); w; w = strtok_r(NULL, " ", &save))
		argv[n++] = w;
	free(f->out);
	free(f->err);
	f->out = strdup("");
	f->err = strdup("");
	if (f->terminal)
		open_terminal(out);
	else
		assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	assert_int_equal(pipe2(err, O_CLOEXEC), 0);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, out[1], 1);
	posix_spawn_file_actions_adddup2(&actions, err[1], 2);
	assert_int_equal(posix_spawn(&pid, program, &actions, NULL, argv, environ), 0);
	posix_spawn_file_actions_destroy(&actions);
	close(out[1]);
	close(err[1]);
	serve(f, out[0], err[0]);
	assert_int_equal(waitpid(pid, &wait_status, 0), pid);
	assert_true(WIFEXITED(wait_status));
	f->status = WEXITSTATUS(wait_status);
}

static void assert_run(struct fixture *f, const char *line, int status)
{
	run(f, line);
	if (f->status != status)
		fail_msg("lbctl %s: %d, not %d: %s%s", line, f->status, status, f->out, f->err);
	/* A reason on stderr for whatever failed, and on stdout nothing of it. */
	assert_int_equal(status == 0, f->err[0] == '\0');
	if (status == 2 || status == 3)
		assert_string_equal(f->out, "");
}

static void assert_part(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("\"%s\" is not in: %s", part, text);
}

/* --- Showing --- */

/* As they are drawn, wider than code. */
/* clang-format off */
static const char services_drawn[] =
"SERVICE  LISTEN            HASH         UP  ACTIVE  ACCEPTED  RETRIES   IN  OUT  NOTES\n"
"web      192.0.2.10:80 +1  connection  2/3       4        22        0  0 B  0 B\n"
"cache    :6379             source      0/1       0         0        0  0 B  0 B  brake\n";

static const char backends_drawn[] =
"SERVICE  BACKEND  ADDRESS             STATE     SINCE  WEIGHT   SHARE  ACTIVE  BEGUN  FAILED      IN  OUT  CONNECT   CHECK  NOTES\n"
"web      web1     10.0.0.1:8080       up        3h12m      10  100.0%       4     20       1  1.2 GB  0 B   350 us  350 us\n"
"web      web2     10.0.0.2:8080       down      3h12m      10    0.0%       0      0       0     0 B  0 B        -  350 us  check: connection refused\n"
"web      web3     [2001:db8::3]:8080  disabled  3h12m       5    0.0%       0      0       0     0 B  0 B        -  350 us\n";

static const char connections_drawn[] =
"ID  STATE        SERVICE  BACKEND  CLIENT              LOCAL          SERVER         WORKER  TRIES   AGE   IDLE      IN     OUT\n"
" 1  established  web      web1     198.51.100.7:40000  192.0.2.10:80  10.0.0.1:8080       0      1  2m5s  20 ms  1.2 kB  1.5 MB\n"
" 2  half-closed  web      web1     198.51.100.7:40000  192.0.2.10:80  10.0.0.1:8080       1      1  2m5s  20 ms  1.2 kB  1.5 MB\n"
" 3  connecting   web      -        198.51.100.7:40000  192.0.2.10:80  -                   0      1  2m5s  20 ms  1.2 kB  1.5 MB\n";

static const char table_drawn[] =
"web: 7 slots\n"
"BACKEND  SLOTS    SHARE\n"
"web1         7  100.00%\n";

static const char explain_drawn[] =
"web from 198.51.100.7:7001 to 192.0.2.10:80: backend web1\n"
"hash (connection) 0xfedcba9876543210, slot 1, owner web2\n"
"moved from web2: it is down: connection refused\n"
"note: the service listens on several addresses; the local address is assumed\n"
"\n"
"TRY  BACKEND  ADDRESS        WHY\n"
"  1  web1     10.0.0.1:8080  next on the walk from the slot's owner\n";
/* clang-format on */

static void shows_columns(void **state)
{
	static const struct {
		const char *line, *out;
	} cases[] = {
		{"services", services_drawn},
		{"backends web", backends_drawn},
		{"connections", connections_drawn},
		{"table web", table_drawn},
		{"explain web 198.51.100.7:7001", explain_drawn},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_run(f, cases[i].line, 0);
		assert_string_equal(f->out, cases[i].out);
	}
}

static void shows_status(void **state)
{
	struct fixture *f = *state;
	char first[128];

	assert_run(f, "status", 0);
	snprintf(first, sizeof(first), "lb4 %s, pid %d, up 3h12m, workers 2\n", LB4_VERSION,
		 getpid());
	assert_memory_equal(f->out, first, strlen(first));
	assert_string_equal(f->out + strlen(first), "config       /etc/lb4/lb4.yaml\n"
						    "connections  4 of 1000\n"
						    "services     2 of 2 up\n"
						    "backends     2 of 4 up\n"
						    "brake        max_eject holds: cache\n"
						    "trouble      accept_pauses: 4\n"
						    "trouble      checks_postponed: 1\n");
	fake_backend(&f->fake, "web", "web1")->drifted = true;
	f->fake.daemon.reload_error = strdup("the file is no good");
	daemon_stop(&f->fake.daemon, 90 * NSEC_PER_SEC);
	assert_run(f, "status", 0);
	assert_part(f->out, "lb4.yaml (backends changed at run time: 1)\n");
	assert_part(f->out, "last reload  failed: the file is no good\n");
	assert_part(f->out, "stops        in 1m");
}

static void shows_one_service(void **state)
{
	struct fixture *f = *state;

	assert_run(f, "services web", 0);
	assert_part(f->out, "\nlisten:\n  192.0.2.10:80\n  [2001:db8::10]:80\n");
	assert_part(f->out, "\n  connect_timeout        1s\n");
	assert_part(f->out, "\n  passive:\n    enabled              true\n");
	assert_part(f->out, "\nended:\n  done                   14\n  client-reset           2\n");
	assert_null(strstr(f->out, "idle-timeout"));
}

static void shows_states(void **state)
{
	struct fixture *f = *state;
	struct live_backend *web1 = fake_backend(&f->fake, "web", "web1");

	fake_member(&f->fake, "web", "web2")->admin = ADMIN_DRAINING;
	fake_backend(&f->fake, "web", "web2")->drain_deadline = clock_now() + 100 * NSEC_PER_SEC;
	web1->health.verdict = VERDICT_UNKNOWN;
	web1->drifted = true;
	assert_run(f, "backends", 0);
	assert_part(f->out, " unknown ");
	assert_part(f->out, "  not so in the file\n");
	assert_part(f->out, " draining, down ");
	assert_part(f->out, "  check: connection refused; 1m");
	assert_part(f->out, " braked ");
}

static void limits_connections(void **state)
{
	struct fixture *f = *state;

	run(f, "connections --limit 2");
	assert_int_equal(f->status, 0);
	assert_part(f->err, "shown are 2 of 4 connections");
	assert_run(f, "connections --limit many", 1);
}

static void prints_json(void **state)
{
	static const struct {
		const char *line, *member;
	} cases[] = {
		{"--json status", "version"},
		{"services --json", "services"},
		{"--json services cache", "services"},
		{"backends --json web", "backends"},
		{"connections --json", "connections"},
		{"explain --json web 198.51.100.7:7001", "candidates"},
		{"table --json web", "slots"},
		{"--json reload", "changes"},
		{"--json add web web4 10.0.0.4:80", "backend"},
		{"--json weight web web4 5", "backend"},
		{"--json drain web web4", "backend"},
		{"--json drain web web4 --wait", "left"},
		{"--json undrain web web4", "ok"},
		{"--json disable web web4", "ok"},
		{"--json enable web web4", "ok"},
		{"--json remove web web4", "ok"},
		{"--json stop", "timeout"},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(json_decrefp) json_t *j = NULL;

		assert_run(f, cases[i].line, 0);
		j = json_loads(f->out, 0, NULL);
		assert_non_null(j);
		assert_non_null(json_object_get(j, cases[i].member));
	}
}

static void json_of_refusals(void **state)
{
	struct fixture *f = *state;
	_cleanup_(json_decrefp) json_t *j = NULL;

	assert_run(f, "--json remove web web9", 1);
	assert_part(f->err, "web/web9 is not there");
	j = json_loads(f->out, 0, NULL);
	assert_string_equal(json_string_value(json_object_get(j, "hint")),
			    "did you mean \"web1\"?");
}

static void colours_are_for_terminals(void **state)
{
	struct fixture *f = *state;

	assert_run(f, "backends", 0);
	assert_null(strchr(f->out, '\033'));
	f->terminal = true;
	assert_run(f, "backends", 0);
	assert_part(f->out, "\033[32mup\033[0m");
	assert_part(f->out, "\033[31mdown\033[0m");
	setenv("NO_COLOR", "1", 1);
	assert_run(f, "backends", 0);
	assert_null(strchr(f->out, '\033'));
	unsetenv("NO_COLOR");
}

/* --- Changing --- */

static void changes(void **state)
{
	static const struct {
		const char *line, *asked, *out;
	} cases[] = {
		{"add web web4 10.0.0.4:80", "add web web4 10.0.0.4:80 1", "web/web4 is added\n"},
		{"add web web5 [2001:db8::5]:80 --weight 0", "add web web5 [2001:db8::5]:80 0",
		 "web/web5 is added\n"},
		{"weight web web4 12", "weight web web4 12", "web/web4 has weight 12\n"},
		{"drain web web4", "admin web web4 draining 0ms",
		 "web/web4 is draining; connections left: 0\n"},
		{"--timeout=30s drain web web4", "admin web web4 draining 30000ms",
		 "web/web4 is draining; connections left: 0\n"},
		{"undrain web web4", "admin web web4 enabled 0ms",
		 "web/web4 takes new connections\n"},
		{"disable web web4", "admin web web4 disabled 0ms", "web/web4 is disabled\n"},
		{"enable web web4", "admin web web4 enabled 0ms", "web/web4 is enabled\n"},
		{"remove web web4", "remove web web4",
		 "web/web4 is removed; its connections may finish\n"},
		{"reload", "reload",
		 "reloaded /etc/lb4/lb4.yaml: services +0 -0, backends +2 -0 ~0, 12345 slots "
		 "moved\n"},
		{"reload --force", "reload force", NULL},
		{"stop", "stop 30000ms", "lb4 stops; connections have 30s to finish\n"},
		{"stop --timeout 1500ms", "stop 1500ms",
		 "lb4 stops; connections have 1500ms to finish\n"},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_run(f, cases[i].line, 0);
		assert_string_equal(f->fake.asked, cases[i].asked);
		if (cases[i].out)
			assert_string_equal(f->out, cases[i].out);
	}
}

static void tells_refusals(void **state)
{
	static const struct {
		const char *line, *err;
	} cases[] = {
		{"backends wbe", "lbctl: there is no service \"wbe\"\n  did you mean \"web\"?\n"},
		{"remove web web9", "lbctl: web/web9 is not there\n  did you mean \"web1\"?\n"},
		{"add web web1 10.0.0.4:80", "lbctl: web/web1 is there already\n"},
		{"add web web4 10.0.0.4", "lbctl: web/web4 the port is missing"},
		{"weight web web1 65536", "expected a whole number from 0 to 65535"},
		{"drain web web1 --timeout 30", "lbctl: \"timeout\": the unit is missing"},
		{"explain web 198.51.100.7", "lbctl: \"client\": the port is missing"},
		{"undrain web web3", "lbctl: the backend is disabled, not draining\n"},
		{"table .. --json", "there is no service \"..\""},
		{"remove web a/b", "lbctl: "},
		{"remove .. web1", "../web1 is not there"},
		{"remove web %2e", "web/%2e is not there"},
		{"check /nonexistent/file", "lbctl: cannot open /nonexistent/file: No such file"},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_run(f, cases[i].line, 1);
		assert_part(f->err, cases[i].err);
	}
	f->fake.reload_result = -EPERM;
	assert_run(f, "reload", 1);
	assert_part(f->err, "lbctl: the file removes most of web\n  when it is meant: --force");
	assert_run(f, "reload --force", 0);
}

static void write_file(struct fixture *f, const char *text)
{
	FILE *file = fopen(f->file, "w");

	assert_non_null(file);
	fputs(text, file);
	assert_int_equal(fclose(file), 0);
}

static void checks_files(void **state)
{
	struct fixture *f = *state;
	char line[256], part[256];

	snprintf(line, sizeof(line), "check %s", f->file);
	write_file(f, "services:\n"
		      "  web:\n"
		      "    listen: \":80\"\n"
		      "    backends:\n"
		      "      a: 10.0.0.1:80\n");
	assert_run(f, line, 0);
	snprintf(part, sizeof(part), "%s: good: services 1, backends 1\n", f->file);
	assert_string_equal(f->out, part);

	write_file(f, "services:\n"
		      "  web:\n"
		      "    lisen: \":80\"\n"
		      "    backends:\n"
		      "      a: 10.0.0.1:80\n");
	assert_run(f, line, 1);
	snprintf(part, sizeof(part), "%s:3:", f->file);
	assert_part(f->err, part);
	assert_part(f->err, "\n  hint: ");
	assert_part(f->err, "\nlbctl: the configuration has ");

	/* Standard input, which is empty here. */
	assert_run(f, "check -", 1);
	assert_part(f->err, "(standard input)");
}

static void tells_faults_of_reloads(void **state)
{
	struct fixture *f = *state;

	f->fake.reload_result = -EINVAL;
	f->fake.n_faults = 2;
	assert_run(f, "reload", 1);
	assert_string_equal(f->err, "/etc/lb4/lb4.yaml: unknown setting \"lisen\"\n"
				    "/etc/lb4/lb4.yaml:1:3: unknown setting \"lisen\"\n"
				    "  hint: did you mean \"listen\"?\n"
				    "lbctl: the configuration has 2 faults\n");
}

/* --- Waiting for a drain --- */

static void set_active(struct fixture *f, uint64_t n)
{
	struct backend *b = fake_backend(&f->fake, "web", "web1")->backend;

	for (unsigned i = 0; i < b->n_workers; i++)
		atomic_store(&b->counters[i].active, i ? 0 : n);
}

/* One connection ends in every turn of the loop once the drain has begun. */
static void end_connections(struct fixture *f)
{
	uint64_t left =
		atomic_load(&fake_backend(&f->fake, "web", "web1")->backend->counters[0].active);

	if (left && fake_member(&f->fake, "web", "web1")->admin == ADMIN_DRAINING)
		set_active(f, left - 1);
}

static void undrain(struct fixture *f)
{
	fake_member(&f->fake, "web", "web1")->admin = ADMIN_ENABLED;
}

static void remove_it(struct fixture *f)
{
	char *error = NULL;

	/* Once it has begun, and once. */
	if (strncmp(f->fake.asked, "admin", 5))
		return;
	assert_int_equal(daemon_remove_backend(&f->fake.daemon, "web", "web1", &error), 0);
}

static void waits_for_drains(void **state)
{
	struct fixture *f = *state;

	set_active(f, 30);
	f->on_turn = end_connections;
	assert_run(f, "drain web web1 --wait", 0);
	assert_string_equal(f->out, "web/web1 is drained\n");
}

static void waits_until_the_timeout(void **state)
{
	struct fixture *f = *state;
	nsec_t begun = clock_now();

	set_active(f, 3);
	assert_run(f, "drain web web1 --wait --timeout 300ms", 1);
	assert_true(clock_now() - begun >= 300 * NSEC_PER_MSEC);
	assert_string_equal(f->err, "lbctl: web/web1: the timeout passed with connections left: 3\n"
				    "  lb4 resets them\n");
	/* The same for programs. */
	undrain(f);
	assert_run(f, "drain web web1 --wait --timeout 1ms --json", 1);
	assert_part(f->out, "{\"ok\":false,\"left\":3,");
}

static void waits_in_vain(void **state)
{
	struct fixture *f = *state;

	set_active(f, 3);
	f->on_turn = undrain;
	assert_run(f, "drain web web1 --wait", 1);
	assert_part(f->err, "web/web1 is no longer draining");
	f->fake.asked[0] = '\0';
	f->on_turn = remove_it;
	assert_run(f, "drain web web1 --wait", 1);
	assert_part(f->err, "web/web1 is no longer there");
}

/* --- Usage --- */

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
		{"status --json=yes", "lbctl: --json takes no value\n"},
		{"weight web web1 heavy", "the weight is not a whole number: \"heavy\""},
		{"add web web4 10.0.0.4:80 --weight -1", "not a whole number: \"-1\""},
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

/* --- Help and the manual page --- */

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
	assert_int_equal(n_verbs, 17);
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

#define LBCTL_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		LBCTL_TEST(shows_columns),
		LBCTL_TEST(shows_status),
		LBCTL_TEST(shows_one_service),
		LBCTL_TEST(shows_states),
		LBCTL_TEST(limits_connections),
		LBCTL_TEST(prints_json),
		LBCTL_TEST(json_of_refusals),
		LBCTL_TEST(colours_are_for_terminals),
		LBCTL_TEST(changes),
		LBCTL_TEST(tells_refusals),
		LBCTL_TEST(checks_files),
		LBCTL_TEST(tells_faults_of_reloads),
		LBCTL_TEST(waits_for_drains),
		LBCTL_TEST(waits_until_the_timeout),
		LBCTL_TEST(waits_in_vain),
		LBCTL_TEST(tells_usage),
		LBCTL_TEST(options_stand_anywhere),
		LBCTL_TEST(unreachable_daemons),
		LBCTL_TEST(helps),
		LBCTL_TEST(page_explains_all),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
