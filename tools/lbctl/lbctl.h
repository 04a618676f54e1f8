/* SPDX-License-Identifier: BSD-2-Clause */
/* What the verbs of lbctl(8) share: their arguments, the daemon's answers, words to people. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	STATUS_DONE = 0,
	STATUS_REFUSED = 1, /* or failed: the reason is on stderr */
	STATUS_USAGE = 2,
	STATUS_UNREACHABLE = 3, /* the daemon */
};

enum option {
	OPTION_SOCKET,
	OPTION_JSON,
	OPTION_HELP,
	OPTION_VERSION,
	OPTION_WEIGHT,
	OPTION_BACKUP,
	OPTION_TIMEOUT,
	OPTION_WAIT,
	OPTION_FORCE,
	OPTION_LIMIT,
	OPTION_LOCAL,
	OPTION_SNI,
	OPTION_ALPN,
	OPTION_FOLLOW,
	OPTION_SINCE,
	OPTION_LAST,
	OPTION_DRY_RUN,
	OPTION_WRITE,
	OPTION_COUNT,
	OPTION_FOR,
	OPTION_DROPS,
	N_OPTIONS,
};

#define ARGUMENTS_MAX 3

struct client;

/* One run of lbctl. */
struct lbctl {
	const char *arguments[ARGUMENTS_MAX]; /* after the verb; NULL where not given */
	const char *options[N_OPTIONS];	      /* the values, "" of flags; NULL where not given */
	const char *socket;
	struct client *client;
	bool colours; /* on stdout */
};

/* A verb of the command line, and an option: rows of the tables in main.c. */
struct command {
	const char *verb;
	const char *arguments; /* words in brackets may be left out */
	unsigned options;      /* bits: those it takes besides the common ones */
	int (*run)(struct lbctl *l);
	const char *what;
};

struct option_info {
	const char *name;
	const char *value; /* what it takes; NULL: nothing */
	const char *what;
	char letter; /* "-h" for "--help"; 0: none */
};

extern const struct command commands[];
extern const size_t n_commands;
extern const struct option_info options[N_OPTIONS];

#define BIT(option) (1u << (option))
#define COMMON	    (BIT(OPTION_SOCKET) | BIT(OPTION_JSON) | BIT(OPTION_HELP) | BIT(OPTION_VERSION))

/* NULL when there is none. */
const struct command *find_command(const char *verb);

/* The option of that name or letter ("--limit", "--limit=5", "-n", "-n5"); N_OPTIONS: none. */
size_t find_option(const char *word);

/* A verb; returns the exit status. */
typedef int verb_function(struct lbctl *l);

/* show.c */
verb_function show_status;
verb_function show_services;
verb_function show_backends;
verb_function show_connections;
verb_function show_sources;

/* explain.c */
verb_function show_explain;
verb_function show_table;

/* change.c */
verb_function check_file;
verb_function add_backend;
verb_function remove_backend;
verb_function set_weight;
verb_function undrain_backend;
verb_function disable_backend;
verb_function enable_backend;
verb_function stop_daemon;

/* fastpath.c */
verb_function fastpath;
void print_fastpath(const struct lbctl *l, const json_t *fastpath);

/* capture.c */
verb_function capture;

/* events.c */
verb_function show_events;

/* plan.c */
verb_function show_plan;
verb_function reload;

/* drift.c */
verb_function show_drift;
verb_function save;

/* drain.c */
verb_function drain_backend;

/* complete.c: what may stand where the last of the words is, a line each; for the shell. */
int complete(char **words);

/* The daemon's socket: as given, by the environment, or where it usually is. */
const char *choose_socket(const char *given);

/* One line on stderr, "lbctl: …", and what to do about it, when `hint` is not NULL. */
void complain(const char *hint, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A request for `path` under construction; NULL once memory was short. */
char *path_segment(struct lbctl *l, char *path_take, const char *segment);
char *path_query(struct lbctl *l, char *path_take, const char *name, const char *value);

/* The path of the backend that the first two arguments name, with `action` below it or NULL. */
char *path_backend(struct lbctl *l, const char *action);

/*
 * Asks the daemon: `path_take` as made above, `body_take` an object or NULL. On STATUS_DONE the
 * answer is *ret_answer, to be json_decref()ed, and with --json it has been printed: then the
 * caller prints nothing. Otherwise the reason has been printed.
 */
int ask(struct lbctl *l, const char *method, char *path_take, json_t *body_take,
	json_t **ret_answer);

/* The same without printing the answer, for those who go on asking. */
int ask_quietly(struct lbctl *l, const char *method, char *path_take, json_t *body_take,
		json_t **ret_answer);

/*
 * The same without a word: -errno when the daemon was not reached, else 0 with the answer's status,
 * and the answer, which is NULL when it is no object. For those who expect to fail.
 */
int ask_silently(struct lbctl *l, char *path_take, long *ret_status, json_t **ret_answer,
		 const char **ret_reason);

/* What ask() says when the daemon was not reached, and when it refused; STATUS_…. */
int say_unreachable(const struct lbctl *l, int r, const char *reason);
int say_refused(const struct lbctl *l, long status, const json_t *answer, const char *file);

/* The same with text as the body; faults of the text are printed as those of `file`. */
int ask_about_file(struct lbctl *l, const char *path, const char *text, size_t size,
		   const char *file, json_t **ret_answer);

/* Reads a whole file, "-" being standard input; the reason of a failure has been printed. */
int read_file(const char *name, char **ret_text, size_t *ret_size);

/* "10.0.0.1:80, weight 10": a backend as the file would have it, in `buffer`. */
#define BACKEND_TEXT_MAX 256
char *print_backend_config(const json_t *config, char buffer[BACKEND_TEXT_MAX]);

void print_json(const json_t *j);

/* Members of an answer; "" and 0 when it has none of that name. */
const char *text_at(const json_t *object, const char *name);
uint64_t number_at(const json_t *object, const char *name);
bool true_at(const json_t *object, const char *name);
bool given_at(const json_t *object, const char *name); /* and not null */
