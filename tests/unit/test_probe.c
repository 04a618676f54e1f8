// SPDX-License-Identifier: BSD-2-Clause
/* model/probe: what each kind of check sends, accepts and refuses, however the bytes come. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "needle.h"
#include "probe.h"
#include "probe_kind.h"

#include "test.h"

#define TEXT(s) (uint8_t *)(s), sizeof(s) - 1

static const struct check_config tcp = {.kind = CHECK_TCP};
static const struct check_config redis = {.kind = CHECK_REDIS};
static const struct check_config postgres = {.kind = CHECK_POSTGRES};
static const struct check_config http = {
	.kind = CHECK_HTTP, .http_path = "/healthz", .status_min = 200, .status_max = 399};
static const struct check_config http_exact = {
	.kind = CHECK_HTTP, .http_path = "/", .status_min = 204, .status_max = 204};
static const struct check_config http_body = {.kind = CHECK_HTTP,
					      .http_path = "/",
					      .http_host = "www.example.org",
					      .status_min = 200,
					      .status_max = 399,
					      .http_body = "ready"};
static const struct check_config both = {.kind = CHECK_SEND_EXPECT,
					 .send = (uint8_t *)"PING\n",
					 .send_size = 5,
					 .expect = (uint8_t *)"PO\"NG",
					 .expect_size = 5};
static const struct check_config expect_only = {
	.kind = CHECK_SEND_EXPECT, .expect = (uint8_t *)"220 ", .expect_size = 4};
static const struct check_config binary = {
	.kind = CHECK_SEND_EXPECT, .expect = (uint8_t *)"\x00\xff\x00", .expect_size = 3};
static const struct check_config send_only = {
	.kind = CHECK_SEND_EXPECT, .send = (uint8_t *)"hi", .send_size = 2};

static const struct address address = {
	.ip = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 7},
	.port = 8080,
	.family = ADDRESS_IPV4,
};

#define H "HTTP/1.1 200 OK\r\n"

/* An answer, and what becomes of it wherever it is cut in pieces. */
static const struct {
	const struct check_config *check;
	const uint8_t *answer;
	size_t size;
	const char *error; /* NULL: good; "": undecided */
	bool ends;	   /* FIN follows */
} cases[] = {
	{&redis, TEXT("+PONG\r\n"), NULL},
	{&redis, TEXT("+PONG\n"), NULL},
	{&redis, TEXT("+PONG"), ""},
	{&redis, TEXT("-NOAUTH Authentication required.\r\n"), NULL},
	{&redis, TEXT("-NOPERM User default has no permissions to run 'ping'\r\n"), NULL},
	{&redis, TEXT("-LOADING Redis is loading\r\n"),
	 "expected +PONG, got -LOADING Redis is loading"},
	{&redis, TEXT("-ERR max number of clients reached\r\n"),
	 "expected +PONG, got -ERR max number of clients reached"},
	{&redis, TEXT("-NOAUTHOR\r\n"), "expected +PONG, got -NOAUTHOR"},
	{&redis, TEXT("+PONGPONG\r\n"), "expected +PONG, got +PONGPONG"},
	{&redis, TEXT("+PON"), "expected +PONG, got +PON", true},
	{&redis, TEXT("\n"), "expected +PONG, got "},
	{&redis, TEXT(""), "closed without an answer", true},
	{&redis, TEXT(""), ""},

	{&postgres, TEXT("S"), NULL},
	{&postgres, TEXT("N"), NULL},
	{&postgres, TEXT("X"), "expected S or N, got \"X\""},
	{&postgres, TEXT("\0"), "expected S or N, got \"\\x00\""},
	{&postgres, TEXT("E"), "the server answered with an error: "},
	{&postgres, TEXT(""), "closed without an answer", true},

	{&both, TEXT("PO\"NG"), NULL},
	{&both, TEXT("POPO\"PO\"NG"), NULL},
	{&both, TEXT("PO\"N"), "expected \"PO\\\"NG\" before the end, got \"PO\\\"N\"", true},
	{&both, TEXT("PO\"N"), ""},
	{&expect_only, TEXT("220 mail.example.org ESMTP\r\n"), NULL},
	{&expect_only, TEXT("554 go away\r\n"),
	 "expected \"220 \" before the end, got \"554 go away\\r\\n\"", true},
	{&expect_only, TEXT(""), "closed without an answer", true},
	{&binary, TEXT("\x00\xff\xff\x00\x00\xff\x00"), NULL},

	{&http, TEXT(H "Server: x\r\n\r\n"), NULL},
	{&http, TEXT("HTTP/1.0 200 OK\nServer: x\n\n"), NULL},
	{&http, TEXT("HTTP/1.1 200\r\n\r\n"), NULL},
	{&http, TEXT("HTTP/1.1 200 \r\n\r\nbody"), NULL},
	{&http, TEXT("HTTP/1.1 399 Hm\r\n\r\n"), NULL},
	{&http, TEXT(H "Content-Length: rubbish\r\n\r\n"), NULL},
	{&http, TEXT("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" H "\r\n"), NULL},
	{&http, TEXT("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 500 No\r\n\r\n"),
	 "HTTP status 500, expected 200-399"},
	{&http, TEXT("HTTP/1.1 100 Continue\r\n\r\nSSH-2.0\r\n"), "not an HTTP answer: \"S\""},
	{&http, TEXT("HTTP/1.1 101 Switching\r\n\r\n"), "HTTP status 101, expected 200-399"},
	{&http, TEXT("HTTP/1.1 503 Service Unavailable\r\n"), "HTTP status 503, expected 200-399"},
	{&http, TEXT("HTTP/1.1 400 Bad Request\r\n"), "HTTP status 400, expected 200-399"},
	{&http, TEXT("HTTP/1.1 199 Odd\r\n\r\n" H), ""},
	{&http_exact, TEXT("HTTP/1.1 204 No Content\r\n\r\n"), NULL},
	{&http_exact, TEXT("HTTP/1.1 200 OK\r\n\r\n"), "HTTP status 200, expected 204"},
	{&http, TEXT(H), ""},
	{&http, TEXT(H "Server: x\r\n"), "closed within the HTTP header, after 28 bytes", true},
	{&http, TEXT(""), "closed without an answer", true},
	{&http, TEXT("HTTP/1.1 2OO OK\r\n"), "not an HTTP answer: \"HTTP/1.1 2OO OK\\r\""},
	{&http, TEXT("HTTP/1.1 200OK\r\n"), "not an HTTP answer: \"HTTP/1.1 200OK\\r\""},
	{&http, TEXT("HTTP/1.1 2000 OK\r\n"), "not an HTTP answer: \"HTTP/1.1 2000 OK\\r\""},
	{&http, TEXT("HTTP/1.1  200 OK\r\n"), "not an HTTP answer: \"HTTP/1.1  200 OK\\r\""},
	{&http, TEXT("HTTP/1.1 020 OK\r\n"), "not an HTTP answer: \"HTTP/1.1 020 OK\\r\""},
	{&http, TEXT("HTTP/1.1 600 OK\r\n"), "not an HTTP answer: \"HTTP/1.1 600 OK\\r\""},
	{&http, TEXT("HTTP/1.2 200 OK\r\n"), "not an HTTP answer: \"HTTP/1.2 200 OK\\r\""},
	{&http, TEXT("HTTP/1.1 200\0OK\r\n"), "not an HTTP answer: \"HTTP/1.1 200\\x00OK\\r\""},
	{&http, TEXT("HTTP/1.\r\n"), "not an HTTP answer: \"HTTP/1.\\r\""},
	{&http, TEXT("\r\n"), "not an HTTP answer: \"\\r\""},

	{&http_body, TEXT(H "\r\nI am ready."), NULL},
	{&http_body, TEXT(H "X-Note: ready\r\n\r\n"), ""},
	{&http_body, TEXT(H "\r\nrea dy"), "expected \"ready\" in the body, got \"rea dy\"", true},
	{&http_body, TEXT(H "\r\n"), "expected \"ready\" in the body, got nothing", true},
	{&http_body, TEXT(H "content-length: 5 \r\n\r\nready"), NULL},
	{&http_body, TEXT(H "Content-Length:4\r\n\r\nready"),
	 "expected \"ready\" in the body, got \"read\""},
	{&http_body, TEXT(H "Content-Length: 0\r\n\r\n"),
	 "expected \"ready\" in the body, got nothing"},
	{&http_body, TEXT("HTTP/1.1 204 No\r\n\r\n"),
	 "expected \"ready\" in the body, got nothing"},
	{&http_body, TEXT(H "Content-Length: -1\r\n"), "Content-Length \"-1\" is not a number"},
	{&http_body, TEXT(H "Content-Length: 0x5\r\n"), "Content-Length \"0x5\" is not a number"},
	{&http_body, TEXT(H "Content-Length:\r\n"), "Content-Length \"\" is not a number"},
	{&http_body, TEXT(H "Content-Length: 99999999999999999999\r\n"),
	 "Content-Length \"99999999999999999999\" is not a number"},
	{&http_body, TEXT(H "Transfer-Encoding: chunked\r\n\r\n3\r\nrea\r\n002;x=y\r\ndy\r\n"),
	 NULL},
	{&http_body,
	 TEXT(H "Transfer-Encoding: gzip, Chunked\r\nContent-Length: 1\r\n\r\n"
		"A\r\n 9 ready 9\r\n"),
	 NULL},
	{&http_body, TEXT(H "Transfer-Encoding: chunked\r\n\r\n3\r\nrea\r\n0\r\n\r\n"),
	 "expected \"ready\" in the body, got \"rea\""},
	{&http_body, TEXT(H "Transfer-Encoding: chunked\r\n\r\n3\r\nready\r\n"),
	 "bad chunk in the body: \"dy\""},
	{&http_body, TEXT(H "Transfer-Encoding: chunked\r\n\r\nready\n"),
	 "bad chunk in the body: \"ready\""},
	{&http_body, TEXT(H "Transfer-Encoding: chunked\r\n\r\n\r\n"),
	 "bad chunk in the body: \"\""},
	{&http_body, TEXT(H "Transfer-Encoding: chunked\r\n\r\n11111111111111111\r\n"),
	 "bad chunk in the body: \"11111111111111111\""},
	{&http_body, TEXT(H "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nrea"),
	 "expected \"ready\" in the body, got \"rea\"", true},
	{&http_body, TEXT("HTTP/1.1 500 No\r\n\r\nready"), "HTTP status 500, expected 200-399"},
};

static struct probe *new_probe(const struct check_config *check)
{
	struct probe *p;

	assert_int_equal(probe_new(check, &address, &p), 0);
	probe_begin(p);
	return p;
}

/* Feeds a copy of exact size, so that a sanitizer sees any byte read beyond. */
static enum probe_outcome feed(struct probe *p, const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size ? size : 1);
	enum probe_outcome outcome = PROBE_MORE;

	assert_non_null(copy);
	memcpy(copy, data, size);
	if (size)
		outcome = probe_feed(p, copy, size);
	free(copy);
	return outcome;
}

static void expect_case(size_t i, struct probe *p, enum probe_outcome outcome, bool exact)
{
	const char *error = cases[i].error;

	if (outcome == PROBE_MORE && cases[i].ends)
		outcome = probe_on_end(p);
	if (!error) {
		if (outcome == PROBE_FAILED)
			print_error("case %zu: %s\n", i, probe_error(p));
		assert_int_equal(outcome, PROBE_OK);
	} else if (!*error) {
		assert_int_equal(outcome, PROBE_MORE);
	} else {
		assert_int_equal(outcome, PROBE_FAILED);
		/* An early refusal quotes what had come by then. */
		if (exact)
			assert_string_equal(probe_error(p), error);
		assert_true(strlen(probe_error(p)) > 0);
	}
}

static void answers_in_any_pieces(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct probe *p = new_probe(cases[i].check);
		enum probe_outcome outcome = PROBE_MORE;

		assert_int_equal(probe_on_sent(p), PROBE_MORE);
		for (size_t cut = 0; cut <= cases[i].size; cut++) {
			probe_begin(p);
			outcome = feed(p, cases[i].answer, cut);
			if (outcome == PROBE_MORE)
				outcome = feed(p, cases[i].answer + cut, cases[i].size - cut);
			expect_case(i, p, outcome, !strstr(cases[i].error ?: "", "not an HTTP"));
		}
		probe_begin(p);
		outcome = PROBE_MORE;
		for (size_t j = 0; j < cases[i].size && outcome == PROBE_MORE; j++)
			outcome = feed(p, cases[i].answer + j, 1);
		expect_case(i, p, outcome, true);
		probe_free(p);
	}
}

static void requests(void **state)
{
	static const char ssl_request[] = "\0\0\0\x08\x04\xd2\x16\x2f";
	static const struct {
		const struct check_config *check;
		const uint8_t *request;
		size_t size;
	} expected[] = {
		{&tcp, TEXT("")},
		{&redis, TEXT("*1\r\n$4\r\nPING\r\n")},
		{&postgres, TEXT(ssl_request)},
		{&both, TEXT("PING\n")},
		{&expect_only, TEXT("")},
		{&send_only, TEXT("hi")},
		{&http, TEXT("GET /healthz HTTP/1.1\r\nHost: 192.0.2.7:8080\r\n"
			     "User-Agent: lb4/" LB4_VERSION "\r\nAccept: */*\r\n"
			     "Connection: close\r\n\r\n")},
		{&http_body, TEXT("GET / HTTP/1.1\r\nHost: www.example.org\r\n"
				  "User-Agent: lb4/" LB4_VERSION "\r\nAccept: */*\r\n"
				  "Connection: close\r\n\r\n")},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
		struct probe *p = new_probe(expected[i].check);
		size_t size;
		const void *request = probe_request(p, &size);

		assert_int_equal(size, expected[i].size);
		if (size)
			assert_memory_equal(request, expected[i].request, size);
		probe_free(p);
	}
}

static void host_has_no_scope(void **state)
{
	struct address a;
	const char *why;
	struct probe *p;
	size_t size;

	(void)state;
	assert_int_equal(address_parse("[fe80::1%lo]:80", false, &a, &why), 0);
	assert_int_equal(probe_new(&http, &a, &p), 0);
	assert_non_null(strstr(probe_request(p, &size), "\r\nHost: [fe80::1]:80\r\n"));
	probe_free(p);
}

static void some_are_over_when_sent(void **state)
{
	struct probe *p = new_probe(&tcp);

	(void)state;
	assert_int_equal(probe_on_sent(p), PROBE_OK);
	probe_free(p);
	p = new_probe(&send_only);
	assert_int_equal(probe_on_sent(p), PROBE_OK);
	probe_free(p);
}

/* Feeds `n` bytes that decide nothing, in pieces of `piece`; returns the bytes that were read. */
static size_t flood(struct probe *p, const char *head, char filler, size_t piece)
{
	enum probe_outcome outcome = PROBE_MORE;
	uint8_t block[3000];

	memset(block, filler, sizeof(block));
	if (*head)
		outcome = feed(p, (const uint8_t *)head, strlen(head));
	for (size_t i = 0; i < 100000 && outcome == PROBE_MORE; i += piece)
		outcome = feed(p, block, piece);
	assert_int_equal(outcome, PROBE_FAILED);
	return probe_received(p);
}

static void floods_are_bounded(void **state)
{
	static const struct {
		const struct check_config *check;
		const char *head;
		size_t limit;
		const char *error;
	} floods[] = {
		{&both, "", PROBE_EXPECT_MAX,
		 "expected \"PO\\\"NG\" in the first 4 KiB, got "
		 "\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA...\""},
		{&redis, "-", 256, NULL},
		{&http, H, PROBE_HTTP_MAX, "the HTTP header does not end within 16 KiB"},
		{&http, "HTTP/1.1 200 ", PROBE_HTTP_MAX,
		 "the HTTP header does not end within 16 KiB"},
		{&http_body, H "\r\n", PROBE_HTTP_MAX,
		 "expected \"ready\" in the body within 16 KiB, got "
		 "\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA...\""},
		{&http_body, H "Transfer-Encoding: chunked\r\n\r\nffffff\r\n", PROBE_HTTP_MAX,
		 NULL},
	};
	static const size_t pieces[] = {1, 7, 1024, 3000};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(floods); i++)
		for (size_t j = 0; j < ARRAY_SIZE(pieces); j++) {
			struct probe *p = new_probe(floods[i].check);

			assert_int_equal(flood(p, floods[i].head, 'A', pieces[j]), floods[i].limit);
			if (floods[i].error)
				assert_string_equal(probe_error(p), floods[i].error);
			probe_free(p);
		}
}

/* The last byte within the limit still counts. */
static void found_at_the_limit(void **state)
{
	static uint8_t answer[PROBE_EXPECT_MAX + 1];
	struct probe *p = new_probe(&expect_only);

	(void)state;
	memset(answer, ' ', sizeof(answer));
	memcpy(answer + PROBE_EXPECT_MAX - 4, "220 ", 4);
	assert_int_equal(feed(p, answer, PROBE_EXPECT_MAX), PROBE_OK);
	probe_begin(p);
	memset(answer, ' ', sizeof(answer));
	memcpy(answer + PROBE_EXPECT_MAX - 3, "220 ", 4);
	assert_int_equal(feed(p, answer, sizeof(answer)), PROBE_FAILED);
	probe_free(p);
}

static void rounds_do_not_mix(void **state)
{
	struct probe *p = new_probe(&expect_only);

	(void)state;
	assert_int_equal(feed(p, TEXT("22")), PROBE_MORE);
	probe_begin(p);
	assert_int_equal(feed(p, TEXT("0 ")), PROBE_MORE);
	assert_int_equal(probe_on_end(p), PROBE_FAILED);
	assert_string_equal(probe_error(p), "expected \"220 \" before the end, got \"0 \"");
	probe_begin(p);
	assert_string_equal(probe_error(p), "");
	assert_int_equal(probe_received(p), 0);
	assert_int_equal(probe_on_end(p), PROBE_FAILED);
	assert_string_equal(probe_error(p), "closed without an answer");
	probe_free(p);
}

static void greetings_are_not_postgres(void **state)
{
	struct probe *p = new_probe(&postgres);

	(void)state;
	assert_int_equal(feed(p, TEXT("SSH-2.0-OpenSSH\r\n")), PROBE_FAILED);
	assert_string_equal(probe_error(p), "expected S or N, got \"SSH-2.0-OpenSSH\\r\\n\"");
	probe_begin(p);
	assert_int_equal(feed(p, TEXT("Ecould not fork\n\0")), PROBE_FAILED);
	assert_string_equal(probe_error(p),
			    "the server answered with an error: could not fork\\n\\x00");
	probe_free(p);
}

/* Whatever comes: an outcome within bounds, and an error that can be printed. */
static void garbage(void **state)
{
	static const struct check_config *const checks[] = {
		&redis, &postgres, &http, &http_body, &both, &expect_only, &binary};
	static const char *const heads[] = {
		"", H, H "\r\n", H "Transfer-Encoding: chunked\r\n\r\n", "-", "+"};
	unsigned seed = (unsigned)time(NULL);

	(void)state;
	print_message("seed %u\n", seed);
	srand(seed);
	for (int round = 0; round < 20000; round++) {
		struct probe *p = new_probe(checks[rand() % (int)ARRAY_SIZE(checks)]);
		const char *head = heads[rand() % (int)ARRAY_SIZE(heads)];
		enum probe_outcome outcome = feed(p, (const uint8_t *)head, strlen(head));

		for (int i = 0; i < 8 && outcome == PROBE_MORE; i++) {
			uint8_t data[64];
			size_t size = (size_t)rand() % sizeof(data);
			int range = rand() % 2 ? 256 : 64;

			for (size_t j = 0; j < size; j++)
				data[j] = (uint8_t)(rand() % range);
			outcome = feed(p, data, size);
		}
		if (outcome == PROBE_MORE)
			outcome = probe_on_end(p);
		assert_true(outcome == PROBE_OK || outcome == PROBE_FAILED);
		assert_true((outcome == PROBE_FAILED) == (strlen(probe_error(p)) > 0));
		assert_true(strlen(probe_error(p)) < PROBE_ERROR_MAX);
		for (const char *c = probe_error(p); *c; c++)
			assert_in_range(*c, 0x20, 0x7e);
		probe_free(p);
	}
}

static void escapes(void **state)
{
	static const struct {
		const uint8_t *data;
		size_t size, room;
		const char *text;
	} texts[] = {
		{TEXT(""), 8, ""},
		{TEXT("abcdefg"), 8, "abcdefg"},
		{TEXT("abcdefgh"), 8, "abcd..."},
		{TEXT("a\r\n\t\\\"\x7f\x00\xff"), 64, "a\\r\\n\\t\\\\\\\"\\x7f\\x00\\xff"},
		{TEXT("abc\xff"), 8, "abc\\xff"},
		{TEXT("abcd\xff"), 8, "abcd..."},
		{TEXT("\xff\xff"), 8, "\\xff..."},
		{TEXT("a\xff\xff"), 8, "a..."},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		char buffer[64];

		assert_string_equal(
			probe_escape(buffer, texts[i].room, texts[i].data, texts[i].size),
			texts[i].text);
	}
}

static void needle_equals_memmem(void **state)
{
	unsigned seed = (unsigned)time(NULL);

	(void)state;
	print_message("seed %u\n", seed);
	srand(seed);
	for (int round = 0; round < 20000; round++) {
		uint8_t text[40], pattern[6];
		size_t size = (size_t)rand() % sizeof(text), n = (size_t)rand() % 6 + 1, at = 0;
		struct needle needle = NEEDLE_INIT;
		bool found = false;

		for (size_t i = 0; i < sizeof(text); i++)
			text[i] = (uint8_t)('a' + rand() % 2);
		for (size_t i = 0; i < n; i++)
			pattern[i] = (uint8_t)('a' + rand() % 2);
		assert_int_equal(needle_init(&needle, pattern, n), 0);
		while (at < size) {
			size_t piece = (size_t)rand() % (size - at) + 1;

			found = needle_feed(&needle, text + at, piece);
			at += piece;
		}
		assert_int_equal(found, memmem(text, size, pattern, n) != NULL);
		needle_deinit(&needle);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_in_any_pieces),
		cmocka_unit_test(requests),
		cmocka_unit_test(host_has_no_scope),
		cmocka_unit_test(some_are_over_when_sent),
		cmocka_unit_test(floods_are_bounded),
		cmocka_unit_test(found_at_the_limit),
		cmocka_unit_test(rounds_do_not_mix),
		cmocka_unit_test(greetings_are_not_postgres),
		cmocka_unit_test(garbage),
		cmocka_unit_test(escapes),
		cmocka_unit_test(needle_equals_memmem),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
