/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Runs lbctl in front of the control API and a fake daemon, which this process serves meanwhile.
 * The environment names the program (LBCTL).
 */
#pragma once

#include <stdbool.h>

#include "control.h"
#include "fake_daemon.h"

struct fixture {
	struct fake_daemon fake;
	char directory[64], socket[128], file[128];
	struct control *control;	    /* NULL: nobody serves */
	void (*on_turn)(struct fixture *f); /* of the loop that serves */
	bool terminal;			    /* lbctl's stdout is one */
	int pid;			    /* of the lbctl that runs */
	/* The last run. */
	int status;
	char *out, *err;
};

/* cmocka's setup and teardown; *state is a struct fixture. */
int lbctl_setup(void **state);
int lbctl_teardown(void **state);

/* Runs "lbctl WORDS…", the words being separated by blanks. */
void run(struct fixture *f, const char *line);

/* The same; it ends with `status`, and its stderr says something exactly if that is not 0. */
void assert_run(struct fixture *f, const char *line, int status);

/* `part` is somewhere in `text`. */
void assert_part(const char *text, const char *part);

/* Makes f->file, which is removed in the end. */
void write_file(struct fixture *f, const char *text);

#define LBCTL_TEST(f) cmocka_unit_test_setup_teardown(f, lbctl_setup, lbctl_teardown)
