// SPDX-License-Identifier: BSD-2-Clause
/* POST /v1/capture, GET and DELETE /v1/capture/{id}. */
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "cleanup.h"
#include "control_fixture.h"

#include "test.h"

static struct forwarding_status fastpath;

/* There is a fast path, and web is for it. */
static void use_nat(struct fixture *f)
{
	fastpath = (struct forwarding_status){.accepts = true};
	f->fake.fastpath = &fastpath;
	f->fake.daemon.services[0]->settings.forward = FORWARD_NAT;
}

static void begins_and_ends(void **state)
{
	static const struct {
		const char *body, *asked;
	} cases[] = {
		{"{}", "capture - -/0 port 0, 256 bytes"},
		{NULL, "capture - -/0 port 0, 256 bytes"},
		{"{\"service\":\"web\"}", "capture web -/0 port 0, 256 bytes"},
		{"{\"client\":\"198.51.100.7\"}",
		 "capture - 198.51.100.7/32/128 port 0, 256 bytes"},
		{"{\"client\":\"198.51.100.0/24\",\"drops\":true}",
		 "capture - 198.51.100.0/24/120 port 0 drops, 256 bytes"},
		{"{\"client\":\"2001:db8::/32\",\"bytes\":64}",
		 "capture - 2001:db8::/32/32 port 0, 64 bytes"},
		{"{\"client\":\"[2001:db8::7]:40000\",\"service\":\"web\",\"bytes\":0}",
		 "capture web 2001:db8::7/128/128 port 40000, 1 bytes"},
		{"{\"client\":\"198.51.100.7:1\",\"drops\":false}",
		 "capture - 198.51.100.7/32/128 port 1, 256 bytes"},
	};
	struct fixture *f = *state;

	use_nat(f);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		json_t *a = request(f, "POST", "/v1/capture", cases[i].body, 200);

		assert_string_equal(f->fake.asked, cases[i].asked);
		assert_int_equal(number(a, "id"), 7);
		json_decref(a);
		f->fake.packets_lost = i;
		a = request(f, "DELETE", "/v1/capture/7", NULL, 200);
		assert_int_equal(number(a, "lost"), i);
		json_decref(a);
		json_decref(request(f, "DELETE", "/v1/capture/7", NULL, 404));
	}
}

static void refuse(struct fixture *f, const char *body, int status, const char *error,
		   const char *hint)
{
	json_t *a = request(f, "POST", "/v1/capture", body, status);

	assert_non_null(strstr(text(a, "error"), error));
	if (hint)
		assert_non_null(strstr(text(a, "hint"), hint));
	json_decref(a);
	assert_int_equal(f->fake.capture, 0);
}

static void refuses(void **state)
{
	struct fixture *f = *state;

	refuse(f, "{}", 409, "there is no fast path", "tcpdump -ni any");
	use_nat(f);
	fastpath.why_not = "the kernel cannot load the programs";
	refuse(f, "{}", 409, "there is no fast path", "tcpdump");
	fastpath.why_not = NULL;
	refuse(f, "{\"service\":\"wbe\"}", 404, "there is no service \"wbe\"", NULL);
	f->fake.daemon.services[0]->settings.forward = FORWARD_SPLICE;
	refuse(f, "{\"service\":\"web\"}", 409, "service web is spliced",
	       "tcpdump -ni any host 192.0.2.10 and tcp port 80");
	refuse(f, "{\"client\":\"somebody\"}", 400, "\"somebody\" is no address", "such as ");
	refuse(f, "{\"client\":\"10.0.0.1/8\"}", 400, "is no address", NULL);
	refuse(f, "{\"bytes\":257}", 400, "\"bytes\": expected a whole number from 0 to 256", NULL);
	refuse(f, "{\"clinet\":\"10.0.0.1\"}", 400, "unknown field", "did you mean \"client\"?");
	json_decref(request(f, "POST", "/v1/capture", "{}", 200));
	json_decref(request(f, "POST", "/v1/capture", "{}", 409));
	json_decref(request(f, "GET", "/v1/capture/8", NULL, 404));
	json_decref(request(f, "GET", "/v1/capture/x", NULL, 404));
	json_decref(request(f, "GET", "/v1/capture/7?limit=513", NULL, 400));
	json_decref(request(f, "GET", "/v1/capture/7?wait=26s", NULL, 400));
	json_decref(request(f, "DELETE", "/v1/capture/8", NULL, 404));
	assert_int_equal(f->fake.capture, 7);
}

static const uint8_t bytes[] = {0x02, 0xff, 0x1a};

static struct captured_packet make_packet(enum lb4_verdict verdict)
{
	struct captured_packet p = {
		.wall = 1795507200123456789,
		.verdict = verdict,
		.interface = "eth0",
		.service = "web",
		.backend = "web1",
		.size = 1514,
		.bytes = bytes,
		.kept = sizeof(bytes),
		.headers = {.is_ip = true,
			    .has_ports = true,
			    .has_tcp = true,
			    .protocol = IPPROTO_TCP,
			    .flags = 0x12,
			    .sequence = 4000000000,
			    .acknowledged = 7,
			    .payload = 1448},
	};
	const char *why;

	assert_int_equal(address_parse("198.51.100.7:40000", false, &p.headers.from, &why), 0);
	assert_int_equal(address_parse("[2001:db8::1]:80", false, &p.headers.to, &why), 0);
	return p;
}

static void shows_packets(void **state)
{
	struct captured_packet packets[3] = {
		make_packet(LB4_VERDICT_FORWARDED),
		make_packet(LB4_VERDICT_DROP_TTL),
		make_packet(LB4_VERDICT_PASS_ODD),
	};
	struct fixture *f = *state;
	const json_t *list, *p;
	json_t *a;

	use_nat(f);
	json_decref(request(f, "POST", "/v1/capture", "{}", 200));
	packets[2].service = packets[2].backend = packets[2].interface = NULL;
	packets[2].headers.has_tcp = packets[2].headers.has_ports = false;
	packets[2].headers.fragment = true;
	f->fake.packets = packets;
	f->fake.n_packets = 3;
	f->fake.packets_lost = 5;
	a = get(f, "/v1/capture/7?limit=2");
	assert_int_equal(number(a, "lost"), 5);
	list = json_object_get(a, "packets");
	assert_int_equal(json_array_size(list), 2);
	p = json_array_get(list, 0);
	assert_int_equal(number(p, "ns"), 1795507200123456789);
	assert_string_equal(text(p, "verdict"), "forwarded");
	assert_string_equal(text(p, "interface"), "eth0");
	assert_string_equal(text(p, "service"), "web");
	assert_string_equal(text(p, "backend"), "web1");
	assert_string_equal(text(p, "from"), "198.51.100.7:40000");
	assert_string_equal(text(p, "to"), "[2001:db8::1]:80");
	assert_string_equal(text(p, "flags"), "SYN,ACK");
	assert_int_equal(number(p, "sequence"), 4000000000);
	assert_int_equal(number(p, "acknowledged"), 7);
	assert_int_equal(number(p, "payload"), 1448);
	assert_int_equal(number(p, "size"), 1514);
	assert_int_equal(number(p, "protocol"), IPPROTO_TCP);
	assert_string_equal(text(p, "bytes"), "02ff1a");
	assert_string_equal(text(json_array_get(list, 1), "verdict"), "ttl");
	json_decref(a);
	a = get(f, "/v1/capture/7");
	list = json_object_get(a, "packets");
	assert_int_equal(json_array_size(list), 1);
	p = json_array_get(list, 0);
	assert_string_equal(text(p, "from"), "198.51.100.7");
	assert_null_at(p, "service");
	assert_null_at(p, "backend");
	assert_null_at(p, "interface");
	assert_true(truth(p, "fragment"));
	assert_null(json_object_get(p, "flags"));
	json_decref(a);
	a = get(f, "/v1/capture/7?wait=10ms");
	assert_int_equal(json_array_size(json_object_get(a, "packets")), 0);
	json_decref(a);
}

static void send_get(struct fixture *f, struct http_client *c)
{
	static const char head[] = "GET /v1/capture/7?wait=20s HTTP/1.1\r\nHost: x\r\n\r\n";

	http_client_open(c, f->path);
	assert_true(http_client_send(&f->pump, c, head, strlen(head)));
	pump_idle(&f->pump, 100);
}

/* The answer is put off until there is a packet, and the capture lives as long. */
static void waits(void **state)
{
	const struct captured_packet packet = make_packet(LB4_VERDICT_FORWARDED);
	_cleanup_(freep) char *body = NULL;
	struct fixture *f = *state;
	struct http_client c;

	use_nat(f);
	json_decref(request(f, "POST", "/v1/capture", "{}", 200));
	send_get(f, &c);
	assert_int_equal(f->fake.capture_patience, 20 * NSEC_PER_SEC + CAPTURE_PATIENCE);
	f->fake.packets = &packet;
	f->fake.n_packets = 1;
	json_decref(get(f, "/v1/status")); /* main's loop turns every 100 ms, this one when asked */
	assert_int_equal(http_client_answer(&f->pump, &c, &body), 200);
	assert_non_null(strstr(body, "\"verdict\":\"forwarded\""));
	http_client_deinit(&c);
}

static bool has_ended(void *context)
{
	const struct fixture *f = context;

	return f->fake.capture == 0;
}

/* Who hangs up while waiting wants no more. */
static void ends_with_its_reader(void **state)
{
	struct fixture *f = *state;
	struct http_client c;

	use_nat(f);
	json_decref(request(f, "POST", "/v1/capture", "{}", 200));
	send_get(f, &c);
	assert_int_equal(f->fake.capture, 7);
	http_client_deinit(&c);
	assert_true(pump_until(&f->pump, has_ended, f));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		CONTROL_TEST(begins_and_ends),	    CONTROL_TEST(refuses),
		CONTROL_TEST(shows_packets),	    CONTROL_TEST(waits),
		CONTROL_TEST(ends_with_its_reader),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
