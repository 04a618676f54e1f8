// SPDX-License-Identifier: BSD-2-Clause
/* run/line_writer, with a pipe for standard output. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "line_writer.h"

#include "test.h"

/* More than any number of chunks that may wait: those queued and those being written. */
#define MANY 2000

/* Standard output while a test runs; cmocka's own lines come before and after. */
struct output {
	int kept, reader;
	struct line_writer *writer;
};

static int setup(void **state)
{
	struct output *o = calloc(1, sizeof(*o));
	int fds[2];

	assert_non_null(o);
	fflush(stdout);
	o->kept = dup(STDOUT_FILENO);
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	assert_int_equal(dup2(fds[1], STDOUT_FILENO), STDOUT_FILENO);
	close(fds[1]);
	o->reader = fds[0];
	assert_int_equal(line_writer_start(&o->writer), 0);
	*state = o;
	return 0;
}

static void restore(struct output *o)
{
	if (o->kept < 0)
		return;
	dup2(o->kept, STDOUT_FILENO);
	closep(&o->kept);
	o->kept = -1;
}

static int teardown(void **state)
{
	struct output *o = *state;

	restore(o);
	closep(&o->reader);
	free(o);
	return 0;
}

/* Chunk `number`: full, its lines telling the number. */
static struct line_chunk *chunk(unsigned number)
{
	struct line_chunk *c = line_chunk_new();

	assert_non_null(c);
	assert_int_equal(c->size, 0);
	while (c->size + 8 <= LINE_CHUNK_SIZE) {
		char line[9];

		snprintf(line, sizeof(line), "%07u\n", number);
		memcpy(c->text + c->size, line, 8);
		c->size += 8;
		c->n_lines++;
	}
	return c;
}

/* Reads and checks `n` chunks. */
static void expect_chunks(const struct output *o, unsigned n)
{
	for (size_t i = 0; i < (size_t)n * (LINE_CHUNK_SIZE / 8); i++) {
		struct pollfd p = {.fd = o->reader, .events = POLLIN};
		char line[9] = "";

		for (size_t got = 0; got < 8;) {
			ssize_t r;

			assert_int_equal(poll(&p, 1, 10000), 1);
			r = read(o->reader, line + got, 8 - got);
			assert_true(r > 0);
			got += (size_t)r;
		}
		assert_int_equal(strtoul(line, NULL, 10), i / (LINE_CHUNK_SIZE / 8));
	}
}

static void lines_come_in_order(void **state)
{
	struct output *o = *state;

	for (unsigned i = 0; i < 3; i++) /* as much as a pipe holds */
		assert_int_equal(line_writer_post(o->writer, chunk(i)), 0);
	assert_null(line_writer_stop(o->writer));
	expect_chunks(o, 3);
}

/* Posts until it is refused. */
static unsigned post_many(struct output *o)
{
	unsigned n = 0;

	while (n < MANY) {
		struct line_chunk *c = chunk(n);

		if (line_writer_post(o->writer, c) < 0) {
			free(c); /* it stayed ours */
			break;
		}
		n++;
	}
	return n;
}

/* A reader that does not read holds nobody up, and what waits for it is bounded. */
static void what_waits_is_bounded(void **state)
{
	struct output *o = *state;
	unsigned n = post_many(o);

	assert_in_range(n, 100, MANY - 1);
	expect_chunks(o, n); /* nothing that was taken is lost */
	assert_null(line_writer_stop(o->writer));
}

static void a_nonblocking_output_is_waited_for(void **state)
{
	struct output *o = *state;
	unsigned n;

	assert_int_equal(fcntl(STDOUT_FILENO, F_SETFL, O_WRONLY | O_NONBLOCK), 0);
	n = post_many(o);
	assert_true(n < MANY);
	expect_chunks(o, n);
	assert_null(line_writer_stop(o->writer));
}

static void nobody_reads_any_more(void **state)
{
	struct output *o = *state;

	closep(&o->reader);
	o->reader = -1;
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(line_writer_post(o->writer, chunk(i)), 0);
	assert_null(line_writer_stop(o->writer));
}

static void stopping_nothing(void **state)
{
	struct output *o = *state;

	assert_null(line_writer_stop(NULL));
	assert_null(line_writer_stop(o->writer));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(lines_come_in_order, setup, teardown),
		cmocka_unit_test_setup_teardown(what_waits_is_bounded, setup, teardown),
		cmocka_unit_test_setup_teardown(a_nonblocking_output_is_waited_for, setup,
						teardown),
		cmocka_unit_test_setup_teardown(nobody_reads_any_more, setup, teardown),
		cmocka_unit_test_setup_teardown(stopping_nothing, setup, teardown),
	};

	signal(SIGPIPE, SIG_IGN); /* as the daemon does */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
