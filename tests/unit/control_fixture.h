/* SPDX-License-Identifier: BSD-2-Clause */
/* The control API over a real Unix socket in front of a fake daemon, on one thread. */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "fake_daemon.h"
#include "http_client.h"

struct fixture {
	struct fake_daemon fake;
	char directory[64], path[128];
	struct control *control;
	struct pump pump;
};

/* cmocka's setup and teardown; *state is a struct fixture. */
int control_setup(void **state);
int control_teardown(void **state);

/* One request; the answer is JSON and an object, whatever the status, and has an error and a hint
 * from 400 on. */
json_t *request(struct fixture *f, const char *method, const char *path, const char *body,
		int status);
json_t *get(struct fixture *f, const char *path);

/* Members of an answer; of another type they fail the test. */
const char *text(const json_t *o, const char *name);
json_int_t number(const json_t *o, const char *name);
bool truth(const json_t *o, const char *name);
void assert_null_at(const json_t *o, const char *name);

#define CONTROL_TEST(f) cmocka_unit_test_setup_teardown(f, control_setup, control_teardown)
