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
static const struct check_config memcached = {.kind = CHECK_MEMCACHED};
static const struct check_config amqp = {.kind = CHECK_AMQP};
static const struct check_config smtp = {.kind = CHECK_SMTP};
static const struct check_config mysql = {.kind = CHECK_MYSQL};
static const struct check_config mysql_user = {.kind = CHECK_MYSQL,
					       .mysql_user = (char *)"monitor"};
static char *const command[] = {(char *)"/bin/check", (char *)"-v", NULL};
static const struct check_config program = {.kind = CHECK_EXEC, .exec = (char **)command};
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

/* What RabbitMQ 3.10.8 of Debian 12 says to the header of AMQP 0-9-1. */
#define RABBITMQ_START                                                                             \
	"\x01\0\0\0\0\x01\xeb\0\x0a\0\x0a\0\x09\0\0\x01\xc6\x0c"                                   \
	"capabilitiesF\0\0\0\xc7\x12publisher_confirmst\x01\x1a"                                   \
	"exchange_exchange_bindingst\x01\x0a"                                                      \
	"basic.nackt\x01\x16"                                                                      \
	"consumer_cancel_notifyt\x01\x12"                                                          \
	"connection.blockedt\x01\x13"                                                              \
	"consumer_prioritiest\x01\x1c"                                                             \
	"authentication_failure_closet\x01\x10per_consumer_qost\x01\x0f"                           \
	"direct_reply_tot\x01\x0c"                                                                 \
	"cluster_nameS\0\0\0\x04r@vm\x09"                                                          \
	"copyrightS\0\0\0\x37"                                                                     \
	"Copyright (c) 2007-2022 VMware, Inc. or its affiliates.\x0b"                              \
	"informationS\0\0\0\x39Licensed under the MPL 2.0. Website: https://rabbitmq.com\x08"      \
	"platformS\0\0\0\x11"                                                                      \
	"Erlang/OTP 25.2.3\x07productS\0\0\0\x08RabbitMQ\x07versionS\0\0\0\x06"                    \
	"3.10.8\0\0\0\x0e"                                                                         \
	"AMQPLAIN PLAIN\0\0\0\x05"                                                                 \
	"en_US\xce"

/* A smaller one, and the same with this or that byte wrong. */
#define SMALL_START(channel, size, method, minor, end)                                             \
	"\x01\0" channel "\0\0\0" size "\0\x0a\0" method "\0" minor "\0\0\0\0\0\0\0\0\0\0\0\0" end

/* What postfix 3.7 says first, and one with a policy. */
#define POSTFIX "220 mail.example.org ESMTP Postfix (Debian/GNU)\r\n"
#define POLICY	"220-mail.example.org ESMTP\r\n220-No abuse.\r\n220-\r\n220 Ready\r\n"

#define MYSQL_BLOCKED                                                                              \
	"\x69\0\0\0\xff\x69\x04Host '10.9.1.1' is blocked because of many connection errors; "     \
	"unblock with 'mariadb-admin flush-hosts'"

/* An answer, and what becomes of it wherever it is cut in pieces. */
static const struct {
	const struct check_config *check;
	const uint8_t *answer;
	size_t size;
	const char *error; /* NULL: good; "": undecided */
	bool ends;	   /* FIN follows */
	bool early;	   /* refused with what has come by then, which the error quotes */
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

	{&memcached, TEXT("VERSION 1.6.18\r\n"), NULL},
	{&memcached, TEXT("CLIENT_ERROR unauthenticated\r\n"), NULL},
	{&memcached, TEXT("CLIENT_ERROR bad command line format\r\n"),
	 "expected VERSION, got CLIENT_ERROR bad command line format"},
	{&memcached, TEXT("ERROR Too many open connections\r\n"),
	 "expected VERSION, got ERROR Too many open connections"},
	{&memcached, TEXT("VERSION\r\n"), "expected VERSION, got VERSION"},
	{&memcached, TEXT("-ERR unknown command\r\n"), "expected VERSION, got -", .early = true},
	{&memcached, TEXT("\0\r\n"), "expected VERSION, got \\x00"},
	{&memcached, TEXT("VERSION 1.6"), ""},
	{&memcached, TEXT("VER"), "expected VERSION, got VER", true},

	{&amqp, TEXT(RABBITMQ_START), NULL},
	{&amqp, TEXT(SMALL_START("\0", "\x12", "\x0a", "\x09", "\xce")), NULL},
	{&amqp, TEXT(SMALL_START("\0", "\x13", "\x0a", "\x09", "\xce")), ""},
	{&amqp, TEXT(SMALL_START("\0", "\x12", "\x0a", "\x09", "\xcd")),
	 "the frame of Connection.Start does not end as it should"},
	{&amqp, TEXT(SMALL_START("\1", "\x12", "\x0a", "\x09", "")),
	 "expected Connection.Start, got "
	 "\"\\x01\\x00\\x01\\x00\\x00\\x00\\x12\\x00\\n\\x00\\n\\x00\\t\"",
	 .early = true},
	{&amqp, TEXT(SMALL_START("\0", "\x12", "\x0b", "\x09", "")),
	 "expected Connection.Start, got "
	 "\"\\x01\\x00\\x00\\x00\\x00\\x00\\x12\\x00\\n\\x00\\x0b...\"",
	 .early = true},
	{&amqp, TEXT(SMALL_START("\0", "\x12", "\x0a", "\x08", "")),
	 "expected Connection.Start, got "
	 "\"\\x01\\x00\\x00\\x00\\x00\\x00\\x12\\x00\\n\\x00\\n\\x00...\"",
	 .early = true},
	{&amqp, TEXT(SMALL_START("\0", "\x05", "\x0a", "\x09", "")),
	 "expected Connection.Start, got "
	 "\"\\x01\\x00\\x00\\x00\\x00\\x00\\x05\\x00\\n\\x00\\n\\x00\\t\"",
	 .early = true},
	{&amqp, TEXT("\x01\0\0\0\0\x40\0\0\x0a\0\x0a\0\x09"),
	 "expected Connection.Start, got "
	 "\"\\x01\\x00\\x00\\x00\\x00@\\x00\\x00\\n\\x00\\n\\x00\\t\"",
	 .early = true},
	{&amqp, TEXT("AMQP\0\0\x09\x01"), "the server wants AMQP 0-9-1 (protocol 0), not 0-9-1"},
	{&amqp, TEXT("AMQP\3\1\0\0"), "the server wants AMQP 1-0-0 (protocol 3), not 0-9-1"},
	{&amqp, TEXT("AMQP\0\1\0"), ""},
	{&amqp, TEXT("AMQP\0\1\0"),
	 "closed within Connection.Start, after 7 bytes: "
	 "\"AMQP\\x00\\x01\\x00\"",
	 true},
	{&amqp, TEXT("ANY"), "expected Connection.Start, got \"AN\"", .early = true},
	{&amqp, TEXT("HTTP"), "expected Connection.Start, got \"H\"", .early = true},
	{&amqp, TEXT(""), "closed without an answer", true},

	{&smtp, TEXT(POSTFIX), NULL},
	{&smtp, TEXT(POLICY), NULL},
	{&smtp, TEXT("220\n"), NULL},
	{&smtp, TEXT("220-mail\r\n220-more\r\n"), ""},
	{&smtp, TEXT("220-mail\r\n220"), "closed within the greeting, after 13 bytes", true},
	{&smtp, TEXT("554 5.7.1 go away\r\n"), "expected 220, got \"554 5.7.1 go away\""},
	{&smtp, TEXT("421 too busy\r\n"), "expected 220, got \"421 too busy\""},
	{&smtp, TEXT("220-mail\r\n554 no\r\n"), "expected 220, got \"554 no\""},
	{&smtp, TEXT("2200 mail\r\n"), "expected 220, got \"2200 mail\""},
	{&smtp, TEXT("22\r\n"), "expected 220, got \"22\""},
	{&smtp, TEXT("\r\n"), "expected 220, got \"\\r\"", .early = true},
	{&smtp, TEXT("\n"), "expected 220, got \"\""},
	{&smtp, TEXT("* OK IMAP4rev1"), "expected 220, got \"*\"", .early = true},
	{&smtp, TEXT(""), "closed without an answer", true},

	{&mysql, TEXT(MYSQL_BLOCKED),
	 "MySQL error 1129: Host '10.9.1.1' is blocked because of many connection errors; unblock "
	 "with 'mariadb-admin flush-hosts'"},
	{&mysql, TEXT("\x17\0\0\0\xff\x10\x04Too many connections"),
	 "MySQL error 1040: Too many connections"},
	{&mysql, TEXT("\x1d\0\0\0\xff\x10\x04#08004Too many connections"),
	 "MySQL error 1040: Too many connections"},
	/* Before the greeting a denial is one of everybody. */
	{&mysql, TEXT("\x0b\0\0\0\xff\x15\x04#28000No"), "MySQL error 1045: No"},
	{&mysql, TEXT("\x02\0\0\0\xff\x15"),
	 "not a MySQL greeting: \"\\x02\\x00\\x00\\x00\\xff\\x15\""},
	{&mysql, TEXT("\x03\0\0\0\xff\x15\x04"), "MySQL error 1045: "},
	{&mysql,
	 TEXT("\x02\0\0\0\x09"
	      "x"),
	 "expected version 10 of the MySQL protocol, got 9"},
	{&mysql,
	 TEXT("\x03\0\0\0\x0a"
	      "5."),
	 "not a MySQL greeting: "
	 "\"\\x03\\x00\\x00\\x00\\n5.\""},
	{&mysql, TEXT("\0\0\0\0"), "not a MySQL greeting: \"\\x00\\x00\\x00\\x00\""},
	{&mysql, TEXT("\x02\0\0\1"), "not a MySQL greeting: \"\\x02\\x00\\x00\\x01\""},
	{&mysql, TEXT("SSH-"), "not a MySQL greeting: \"SSH-\"", .early = true},
	{&mysql, TEXT("\x17\0\0\0\xff\x10"), ""},
	{&mysql, TEXT("\x17\0\0\0\xff\x10"), "closed within the greeting, after 6 bytes", true},
	{&mysql, TEXT(""), "closed without an answer", true},

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
	{&http, TEXT("HTTP/1.1 100 Continue\r\n\r\nSSH-2.0\r\n"), "not an HTTP answer: \"S\"",
	 .early = true},
	{&http, TEXT("HTTP/1.1 101 Switching\r\n\r\n"), "HTTP status 101, expected 200-399"},
	{&http, TEXT("HTTP/1.1 503 Service Unavailable\r\n"), "HTTP status 503, expected 200-399"},
	{&http, TEXT("HTTP/1.1 400 Bad Request\r\n"), "HTTP status 400, expected 200-399"},
	{&http, TEXT("HTTP/1.1 199 Odd\r\n\r\n" H), ""},
	{&http_exact, TEXT("HTTP/1.1 204 No Content\r\n\r\n"), NULL},
	{&http_exact, TEXT("HTTP/1.1 200 OK\r\n\r\n"), "HTTP status 200, expected 204"},
	{&http, TEXT(H), ""},
	{&http, TEXT(H "Server: x\r\n"), "closed within the HTTP header, after 28 bytes", true},
	{&http, TEXT(""), "closed without an answer", true},
	{&http, TEXT("HTTP/1.1 2OO OK\r\n"), "not an HTTP answer: \"HTTP/1.1 2OO OK\\r\"",
	 .early = true},
	{&http, TEXT("HTTP/1.1 200OK\r\n"), "not an HTTP answer: \"HTTP/1.1 200OK\\r\"",
	 .early = true},
	{&http, TEXT("HTTP/1.1 2000 OK\r\n"), "not an HTTP answer: \"HTTP/1.1 2000 OK\\r\"",
	 .early = true},
	{&http, TEXT("HTTP/1.1  200 OK\r\n"), "not an HTTP answer: \"HTTP/1.1  200 OK\\r\"",
	 .early = true},
	{&http, TEXT("HTTP/1.1 020 OK\r\n"), "not an HTTP answer: \"HTTP/1.1 020 OK\\r\"",
	 .early = true},
	{&http, TEXT("HTTP/1.1 600 OK\r\n"), "not an HTTP answer: \"HTTP/1.1 600 OK\\r\"",
	 .early = true},
	{&http, TEXT("HTTP/1.2 200 OK\r\n"), "not an HTTP answer: \"HTTP/1.2 200 OK\\r\"",
	 .early = true},
	{&http, TEXT("HTTP/1.1 200\0OK\r\n"), "not an HTTP answer: \"HTTP/1.1 200\\x00OK\\r\"",
	 .early = true},
	{&http, TEXT("HTTP/1.\r\n"), "not an HTTP answer: \"HTTP/1.\\r\"", .early = true},
	{&http, TEXT("\r\n"), "not an HTTP answer: \"\\r\"", .early = true},

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
			expect_case(i, p, outcome, !cases[i].early);
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
		{&memcached, TEXT("version\r\n")},
		{&amqp, TEXT("AMQP\0\0\x09\x01")},
		{&smtp, TEXT("")},
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
		{&memcached, "SERVER_ERROR ", 256, NULL},
		{&smtp, "220-", 4096, "the greeting does not end within 4 KiB"},
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

/* What MariaDB 10.11.19 of Debian 12 greets with. */
#define MARIADB_GREETING                                                                           \
	"\x64\0\0\0\x0a"                                                                           \
	"5.5.5-10.11.19-MariaDB-0+deb12u1\0\x06\0\0\0c&/[Z58Y\0\xfe\xf7\x08\x02\0\xff\x81\x15"     \
	"\0\0\0\0\0\0\x1d\0\0\0"                                                                   \
	"9MXTz*a)Ir#S\0mysql_native_password\0"

/* MySQL 8.0 as its manual has it: another way to log in, without MariaDB's own capabilities. */
#define MYSQL8_GREETING                                                                            \
	"\x4a\0\0\0\x0a"                                                                           \
	"8.0.36\0\x0b\0\0\0ABCDEFGH\0\xff\xff\xff\x02\0\xff\xdf\x15\0\0\0\0\0\0\0\0\0\0"           \
	"ABCDEFGHIJKL\0caching_sha2_password\0"

#define ZEROS_23 "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
#define DENIED	 "\x0f\0\0\x02\xff\x15\x04#28000Access"
#define ACCEPTED "\x07\0\0\x02\0\0\0\x02\0\0\0"
#define SWITCH                                                                                     \
	"\x17\0\0\x02\xfe"                                                                         \
	"caching_sha2_password\0"

#define LOGIN(size, user, way)                                                                     \
	size "\0\0\x01\x01\x82\x08\0\0\0\0\x01\x21" ZEROS_23 user "\0\0" way "\0"

/* What the server says, in one piece or many, to a login that was sent at once. */
static const struct {
	const uint8_t *greeting;
	size_t greeting_size;
	const uint8_t *answer;
	size_t answer_size;
	const char *error; /* NULL: good */
	bool quits;	   /* with COM_QUIT in the end */
} logins[] = {
	{TEXT(MARIADB_GREETING), TEXT(DENIED), NULL, false},
	{TEXT(MARIADB_GREETING), TEXT(ACCEPTED), NULL, true},
	{TEXT(MYSQL8_GREETING), TEXT(ACCEPTED), NULL, true},
	/* TLS is demanded of everybody: others may have it. */
	{TEXT(MYSQL8_GREETING), TEXT("\x0b\0\0\x02\xff\x57\x0c#HY000TL"), NULL, false},
	{TEXT(MYSQL8_GREETING), TEXT("\x02\0\0\x02\x01\x04"), NULL, false},
	{TEXT(MARIADB_GREETING), TEXT("\x0f\0\0\x02\xff\xd8\x0b#HY000offlin"),
	 "MySQL error 3032: offlin", false},
	{TEXT(MARIADB_GREETING), TEXT("\x0f\0\0\x03\xff\x15\x04#28000Access"),
	 "not a MySQL answer: \"\\x0f\\x00\\x00\\x03\"", false},
	{TEXT(MARIADB_GREETING), TEXT("\x01\0\0\x02\x05"),
	 "not a MySQL answer: \"\\x01\\x00\\x00\\x02\\x05\"", false},
};

static void expect_login(struct probe *p, size_t i, enum probe_outcome outcome)
{
	const void *bytes;
	size_t size;

	assert_int_equal(outcome, logins[i].error ? PROBE_FAILED : PROBE_OK);
	assert_string_equal(probe_error(p), logins[i].error ?: "");
	bytes = probe_farewell(p, &size);
	assert_int_equal(size, logins[i].quits ? 5 : 0);
	if (size)
		assert_memory_equal(bytes, "\x01\0\0\0\x01", 5);
}

static void mysql_logins(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(logins); i++) {
		struct probe *p = new_probe(&mysql);
		size_t size = logins[i].greeting_size + logins[i].answer_size;
		enum probe_outcome outcome = PROBE_MORE;
		uint8_t both_packets[256];

		assert_true(probe_lingers(p));
		memcpy(both_packets, logins[i].greeting, logins[i].greeting_size);
		memcpy(both_packets + logins[i].greeting_size, logins[i].answer,
		       logins[i].answer_size);
		for (size_t cut = 0; cut <= size; cut++) {
			probe_begin(p);
			assert_int_equal(probe_on_sent(p), PROBE_MORE);
			outcome = feed(p, both_packets, cut);
			if (outcome == PROBE_MORE)
				outcome = feed(p, both_packets + cut, size - cut);
			expect_login(p, i, outcome);
		}
		probe_begin(p);
		outcome = PROBE_MORE;
		for (size_t j = 0; j < size && outcome == PROBE_MORE; j++)
			outcome = feed(p, both_packets + j, 1);
		expect_login(p, i, outcome);
		probe_free(p);
	}
}

static void expect_request(struct probe *p, const uint8_t *want, size_t want_size)
{
	size_t size;
	const void *request = probe_request(p, &size);

	assert_int_equal(size, want_size);
	assert_memory_equal(request, want, size);
}

/* A server that knows another way to log in asks once; later it is met with that. */
static void mysql_learns_the_way(void **state)
{
	struct probe *p = new_probe(&mysql_user);

	(void)state;
	expect_request(p, TEXT(LOGIN("\x3f", "monitor", "mysql_native_password")));
	assert_int_equal(feed(p, TEXT(MYSQL8_GREETING)), PROBE_MORE);
	assert_int_equal(feed(p, TEXT(SWITCH)), PROBE_SEND);
	expect_request(p, TEXT("\0\0\0\x03"));
	assert_int_equal(probe_on_sent(p), PROBE_MORE);
	assert_int_equal(feed(p, TEXT("\x0f\0\0\x04\xff\x15\x04#28000Access")), PROBE_OK);
	probe_begin(p);
	expect_request(p, TEXT(LOGIN("\x3f", "monitor", "caching_sha2_password")));
	probe_free(p);
}

/* It may ask for other ways to log in for ever. */
static void mysql_switches_end(void **state)
{
	struct probe *p = new_probe(&mysql);
	uint8_t packet[] = SWITCH;
	size_t n = 0;

	(void)state;
	assert_int_equal(feed(p, TEXT(MARIADB_GREETING)), PROBE_MORE);
	while (feed(p, packet, sizeof(packet) - 1) == PROBE_SEND) {
		packet[3] += 2;
		assert_true(++n < 10);
	}
	assert_string_equal(probe_error(p), "");
	probe_free(p);
}

static void mysql_rounds_do_not_mix(void **state)
{
	struct probe *p = new_probe(&mysql);

	(void)state;
	assert_int_equal(feed(p, TEXT(MARIADB_GREETING)), PROBE_MORE);
	assert_int_equal(probe_on_end(p), PROBE_FAILED);
	assert_string_equal(probe_error(p), "closed within the login, after 104 bytes");
	probe_begin(p);
	expect_request(p, TEXT(LOGIN("\x3b", "lb4", "mysql_native_password")));
	assert_int_equal(feed(p, TEXT(DENIED)), PROBE_FAILED);
	assert_string_equal(probe_error(p), "not a MySQL greeting: \"\\x0f\\x00\\x00\\x02\"");
	probe_free(p);
}

static void smtp_says_goodbye(void **state)
{
	struct probe *p = new_probe(&smtp);
	size_t size;

	(void)state;
	assert_true(probe_lingers(p));
	assert_int_equal(feed(p, TEXT(POLICY)), PROBE_OK);
	assert_memory_equal(probe_farewell(p, &size), "QUIT\r\n", 6);
	assert_int_equal(size, 6);
	probe_begin(p);
	probe_farewell(p, &size);
	assert_int_equal(size, 0);
	probe_free(p);
}

static void programs(void **state)
{
	static const struct {
		const uint8_t *output;
		size_t size;
		int status, signal;
		const char *error; /* NULL: good */
	} ends[] = {
		{TEXT("OK\n"), 0, 0, NULL},
		{TEXT(""), 3, 0, "exit status 3"},
		{TEXT(" \n\t\n"), 3, 0, "exit status 3"},
		{TEXT("\n CRITICAL: no\n  more\n\n"), 2, 0, "exit status 2: CRITICAL: no\\n  more"},
		{TEXT("\xff\0x"), 1, 0, "exit status 1: \\xff\\x00x"},
		{TEXT("a"), 0, 11, "ended by SIGSEGV: a"},
		{TEXT(""), 0, 40, "ended by signal 40"},
	};
	static uint8_t much[5000];
	struct probe *p = new_probe(&program);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
		probe_begin(p);
		for (size_t j = 0; j < ends[i].size; j++)
			assert_int_equal(feed(p, ends[i].output + j, 1), PROBE_MORE);
		assert_int_equal(probe_on_exit(p, ends[i].status, ends[i].signal),
				 ends[i].error ? PROBE_FAILED : PROBE_OK);
		assert_string_equal(probe_error(p), ends[i].error ?: "");
	}
	/* All of it is taken, so that no program stops for it. */
	memset(much, 'x', sizeof(much));
	probe_begin(p);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(probe_feed(p, much, sizeof(much)), PROBE_MORE);
	assert_int_equal(probe_on_exit(p, 1, 0), PROBE_FAILED);
	assert_int_equal(strlen(probe_error(p)), strlen("exit status 1: ") + 127);
	probe_free(p);
}

static void programs_know_their_target(void **state)
{
	struct probe *p = new_probe(&program);
	char *const *environment = probe_environment(p);
	struct address six;
	const char *why;

	(void)state;
	assert_string_equal(probe_program(p)[0], "/bin/check");
	assert_string_equal(probe_program(p)[1], "-v");
	assert_null(probe_program(p)[2]);
	assert_int_equal(strncmp(environment[0], "PATH=/", 6), 0);
	assert_string_equal(environment[1], "LB4_ADDRESS=192.0.2.7");
	assert_string_equal(environment[2], "LB4_PORT=8080");
	assert_string_equal(environment[3], "LB4_FAMILY=ipv4");
	assert_null(environment[4]);
	probe_free(p);

	assert_int_equal(address_parse("[fe80::1%lo]:65535", false, &six, &why), 0);
	assert_int_equal(probe_new(&program, &six, &p), 0);
	environment = probe_environment(p);
	assert_string_equal(environment[1], "LB4_ADDRESS=fe80::1%lo");
	assert_string_equal(environment[2], "LB4_PORT=65535");
	assert_string_equal(environment[3], "LB4_FAMILY=ipv6");
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
		&redis,	 &postgres, &http, &http_body, &both, &expect_only,
		&binary, &mysql,    &amqp, &memcached, &smtp};
	static const char *const heads[] = {
		"",  H,	     H "\r\n", H "Transfer-Encoding: chunked\r\n\r\n", "-", "+", "220-",
		"V", "\x01", "\x30"};
	unsigned seed = (unsigned)time(NULL);

	(void)state;
	print_message("seed %u\n", seed);
	srand(seed);
	for (int round = 0; round < 20000; round++) {
		struct probe *p = new_probe(checks[rand() % (int)ARRAY_SIZE(checks)]);
		const char *head = heads[rand() % (int)ARRAY_SIZE(heads)];
		enum probe_outcome outcome = feed(p, (const uint8_t *)head, strlen(head));

		for (int i = 0; i < 8 && outcome <= PROBE_SEND; i++) {
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
		cmocka_unit_test(mysql_logins),
		cmocka_unit_test(mysql_learns_the_way),
		cmocka_unit_test(mysql_switches_end),
		cmocka_unit_test(mysql_rounds_do_not_mix),
		cmocka_unit_test(smtp_says_goodbye),
		cmocka_unit_test(programs),
		cmocka_unit_test(programs_know_their_target),
		cmocka_unit_test(greetings_are_not_postgres),
		cmocka_unit_test(garbage),
		cmocka_unit_test(escapes),
		cmocka_unit_test(needle_equals_memmem),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
