// SPDX-License-Identifier: BSD-2-Clause
/* tools/lbctl: capture, in lines and as a file. */
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "lbctl_run.h"

#include "test.h"

static struct forwarding_status fastpath;
static const uint8_t bytes[] = {0x02, 0xff, 0x1a};

static struct captured_packet make_packet(const char *from, const char *to, uint8_t flags)
{
	struct captured_packet p = {
		.wall = 1795507200123456789,
		.interface = "eth0",
		.service = "web",
		.backend = "web1",
		.size = 74,
		.bytes = bytes,
		.kept = sizeof(bytes),
		.headers = {.is_ip = true,
			    .has_ports = true,
			    .has_tcp = true,
			    .protocol = IPPROTO_TCP,
			    .flags = flags},
	};
	const char *why;

	assert_int_equal(address_parse(from, false, &p.headers.from, &why), 0);
	assert_int_equal(address_parse(to, false, &p.headers.to, &why), 0);
	return p;
}

static struct captured_packet packets[4];

static void have_packets(struct fixture *f)
{
	fastpath = (struct forwarding_status){.accepts = true};
	f->fake.fastpath = &fastpath;
	f->fake.daemon.services[0]->settings.forward = FORWARD_NAT;
	packets[0] = make_packet("198.51.100.7:40000", "192.0.2.10:80", 0x02);
	packets[1] = make_packet("10.0.0.11:8080", "10.0.0.1:20000", 0x12);
	packets[1].headers.payload = 5;
	packets[2] = make_packet("[2001:db8::7]:40000", "[2001:db8::10]:80", 0);
	packets[2].headers.has_tcp = packets[2].headers.has_ports = false;
	packets[2].headers.fragment = true;
	packets[2].verdict = LB4_VERDICT_PASS_ODD;
	packets[2].backend = NULL;
	packets[3] = make_packet("198.51.100.7:40001", "192.0.2.10:80", 0x10);
	packets[3].verdict = LB4_VERDICT_DROP_TTL;
	packets[3].service = packets[3].backend = NULL;
	f->fake.packets = packets;
	f->fake.n_packets = ARRAY_SIZE(packets);
	f->fake.packets_lost = 0;
}

static void prints_lines(void **state)
{
	struct fixture *f = *state;

	have_packets(f);
	assert_run(f, "capture web -c 4", 0);
	assert_string_equal(
		f->out, "2026-11-24T08:00:00.123456Z  forwarded   eth0        198.51.100.7:40000 → "
			"192.0.2.10:80  SYN 0  web/web1\n"
			"2026-11-24T08:00:00.123456Z  forwarded   eth0        10.0.0.11:8080 → "
			"10.0.0.1:20000  SYN,ACK 5  web/web1\n"
			"2026-11-24T08:00:00.123456Z  odd         eth0        2001:db8::7 → "
			"2001:db8::10  fragment of protocol 6  web\n"
			"2026-11-24T08:00:00.123456Z  ttl         eth0        198.51.100.7:40001 → "
			"192.0.2.10:80  ACK 0\n");
	assert_string_equal(f->fake.asked, "capture web -/0 port 0, 128 bytes");
	assert_int_equal(f->fake.capture, 0);
	have_packets(f);
	assert_run(f, "--json capture 198.51.100.7:40000 --drops --count=1", 0);
	assert_string_equal(f->fake.asked,
			    "capture - 198.51.100.7/32/128 port 40000 drops, 256 bytes");
	assert_part(f->out, "\"bytes\":\"02ff1a\"}\n");
	assert_int_equal(f->fake.n_packets, 3);
	assert_int_equal(f->fake.capture, 0);
}

/* What has come before the end is shown, however soon that is. */
static void leaves_nothing(void **state)
{
	static struct captured_packet many[1000];
	struct fixture *f = *state;
	unsigned lines = 0;

	have_packets(f);
	for (size_t i = 0; i < ARRAY_SIZE(many); i++)
		many[i] = packets[i % ARRAY_SIZE(packets)];
	f->fake.packets = many;
	f->fake.n_packets = ARRAY_SIZE(many);
	assert_run(f, "capture web -t 0", 0);
	for (const char *p = f->out; *p; p++)
		lines += *p == '\n';
	assert_int_equal(lines, ARRAY_SIZE(many));
	assert_int_equal(f->fake.capture, 0);
}

static void names_clients(void **state)
{
	static const struct {
		const char *word, *asked;
	} cases[] = {
		{"", "capture - -/0 port 0, 128 bytes"},
		{"10.0.0.0/8", "capture - 10.0.0.0/8/104 port 0, 128 bytes"},
		{"fd00::7", "capture - fd00::7/128/128 port 0, 128 bytes"},
		{"[fd00::7]:80", "capture - fd00::7/128/128 port 80, 128 bytes"},
	};
	struct fixture *f = *state;
	char line[256];

	have_packets(f);
	f->fake.n_packets = 0;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		snprintf(line, sizeof(line), "capture -t 0 %s", cases[i].word);
		assert_run(f, line, 0);
		assert_string_equal(f->fake.asked, cases[i].asked);
		assert_string_equal(f->out, "");
	}
	assert_run(f, "capture 10.0.0.1/8", 1);
	assert_run(f, "capture wbe", 1);
	assert_part(f->err, "there is no service \"wbe\"");
	assert_run(f, "capture cache", 1);
	assert_part(f->err, "service cache is spliced: its packets are not the fast path's\n"
			    "  its sockets are this machine's: tcpdump ");
	f->fake.capture = 7;
	write_file(f, "precious");
	snprintf(line, sizeof(line), "capture web -w %s", f->file);
	assert_run(f, line, 1);
	assert_part(f->err, "a capture is running already");
	f->fake.capture = 0;
	assert_run(f, "capture web -w /nowhere/at-all", 1);
	assert_part(f->err, "cannot write /nowhere/at-all: ");
	assert_int_equal(f->fake.capture, 0);
}

/* The reader of pcapng is tcpdump, in e2e; the writer's bytes are test_pcapng's. */
static void writes_files(void **state)
{
	struct fixture *f = *state;
	char line[256];
	uint8_t head[12];
	FILE *file;

	have_packets(f);
	f->fake.packets_lost = 3;
	snprintf(line, sizeof(line), "capture web -w %s -c 4", f->file);
	run(f, line);
	assert_int_equal(f->status, 0);
	assert_part(f->out, ": 4 packets\n");
	assert_string_equal(f->err, "lbctl: packets that were lost: 3\n"
				    "  a capture of one client, or of --drops, has less to keep up "
				    "with\n");
	assert_string_equal(f->fake.asked, "capture web -/0 port 0, 256 bytes");
	file = fopen(f->file, "r");
	assert_non_null(file);
	assert_int_equal(fread(head, 1, sizeof(head), file), sizeof(head));
	assert_memory_equal(head, "\n\r\r\n", 4);
	fclose(file);
	have_packets(f);
	assert_run(f, "capture web -c 1 -w -", 0);
	assert_memory_equal(f->out, "\n\r\r\n", 4);
}

static void interrupt(struct fixture *f)
{
	if (!f->fake.capture || f->fake.n_packets > 0)
		return;
	kill(f->pid, SIGINT);
	f->on_turn = NULL; /* the second time it ends without more ado */
}

static void ends_by_a_signal(void **state)
{
	struct fixture *f = *state;

	have_packets(f);
	f->on_turn = interrupt;
	assert_run(f, "capture web -t 1h", 0);
	assert_part(f->out, "ttl ");
	assert_int_equal(f->fake.capture, 0);
}

static void end(struct fixture *f)
{
	if (f->fake.n_packets == 0)
		f->fake.capture = 0;
}

/* It was over before: paused for too long. */
static void is_ended(void **state)
{
	struct fixture *f = *state;

	have_packets(f);
	f->on_turn = end;
	assert_run(f, "capture web", 1);
	assert_part(f->out, "ttl ");
	assert_part(f->err, "there is no such capture: it has ended");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		LBCTL_TEST(prints_lines), LBCTL_TEST(leaves_nothing),	LBCTL_TEST(names_clients),
		LBCTL_TEST(writes_files), LBCTL_TEST(ends_by_a_signal), LBCTL_TEST(is_ended),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
