// SPDX-License-Identifier: BSD-2-Clause
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "control.h"
#include "control_fixture.h"

#include "test.h"

static int pump_fd(void *c)
{
	return control_fd(c);
}

static nsec_t pump_deadline(void *c, nsec_t now)
{
	return control_deadline(c, now);
}

static void pump_run(void *c)
{
	control_run(c);
}

int control_setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	fake_daemon_init(&f->fake);
	strcpy(f->directory, "/tmp/lb4-test-control-XXXXXX");
	assert_non_null(mkdtemp(f->directory));
	snprintf(f->path, sizeof(f->path), "%s/lb4.sock", f->directory);
	assert_int_equal(control_start(&f->fake.daemon, f->path, &f->control), 0);
	f->pump = (struct pump){pump_fd, pump_deadline, pump_run, f->control};
	*state = f;
	return 0;
}

int control_teardown(void **state)
{
	struct fixture *f = *state;

	control_stop(f->control);
	assert_int_equal(rmdir(f->directory), 0);
	fake_daemon_deinit(&f->fake);
	free(f);
	return 0;
}

json_t *request(struct fixture *f, const char *method, const char *path, const char *body,
		int status)
{
	_cleanup_(freep) char *text = NULL;
	int got = http_request_once(&f->pump, f->path, method, path, body, &text);
	json_t *answer;

	if (got != status)
		fail_msg("%s %s: %d, not %d: %s", method, path, got, status, text ? text : "-");
	answer = json_loads(text, 0, NULL);
	if (!json_is_object(answer))
		fail_msg("%s %s: not an object: %s", method, path, text);
	if (status >= 400) {
		assert_non_null(json_string_value(json_object_get(answer, "error")));
		assert_non_null(json_object_get(answer, "hint"));
	}
	return answer;
}

json_t *get(struct fixture *f, const char *path)
{
	return request(f, "GET", path, NULL, 200);
}

const char *text(const json_t *o, const char *name)
{
	const char *value = json_string_value(json_object_get(o, name));

	if (!value)
		fail_msg("no text \"%s\"", name);
	return value;
}

json_int_t number(const json_t *o, const char *name)
{
	const json_t *value = json_object_get(o, name);

	if (!json_is_integer(value))
		fail_msg("no number \"%s\"", name);
	return json_integer_value(value);
}

bool truth(const json_t *o, const char *name)
{
	const json_t *value = json_object_get(o, name);

	if (!json_is_boolean(value))
		fail_msg("no boolean \"%s\"", name);
	return json_is_true(value);
}

void assert_null_at(const json_t *o, const char *name)
{
	const json_t *value = json_object_get(o, name);

	if (!value || !json_is_null(value))
		fail_msg("\"%s\" is not null", name);
}
