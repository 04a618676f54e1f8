// SPDX-License-Identifier: BSD-2-Clause
/*
 * The MySQL probe, for MariaDB as well: a login, before which the server greets.
 *
 * Who leaves without one, whatever he says by way of goodbye, is counted by the server as a
 * connection error, and a host with max_connect_errors (100) of them is blocked: lb4's, and with it
 * every client. A login that is well formed is not counted, even when it is refused. So the login
 * is sent at once, without waiting for the greeting: then it is there for a server that has been
 * too slow for us, when it gets to it, however many of our probes have left by then.
 *
 * The login has a name and no password, so there is nothing in it that depends on the greeting.
 * When it is refused, the server is alive all the same: others may log in.
 */
#include <string.h>

#include "probe_kind.h"

#define HEADER	     4	   /* length of what follows, number of the packet */
#define READ_MAX     16384 /* all told; greetings and errors are far below */
#define SWITCHES_MAX 3	   /* ways to log in that a server may ask for before we give up */
#define PACKET_MAX   (1u << 24)
#define VERSION	     10
#define CHARSET	     33 /* UTF-8, as every server since 4.1 knows it */
#define RESERVED     23
#define DEFAULT_USER "lb4"
#define DEFAULT_WAY  "mysql_native_password"

/* First bytes of packets. */
#define ANSWER_OK     0x00
#define ANSWER_MORE   0x01
#define ANSWER_SWITCH 0xfe
#define ANSWER_ERROR  0xff

enum capability {
	CAPABLE_LONG_PASSWORD = 1 << 0,
	CAPABLE_PROTOCOL_41 = 1 << 9,
	CAPABLE_SECURE = 1 << 15,
	CAPABLE_PLUGIN = 1 << 19,
};

/*
 * Errors that refuse us and not everybody, beside those of SQLSTATE class 28: no such way to log
 * in, TLS is demanded, the password has expired, the account is locked.
 */
static const unsigned refuses_us[] = {1251, 1275, 1524, 1820, 1862, 3118, 3159, 4151};

static uint8_t *put_number32(uint8_t *at, uint32_t value)
{
	for (int i = 0; i < 4; i++)
		*at++ = (uint8_t)(value >> (8 * i));
	return at;
}

static uint8_t *put_text(uint8_t *at, const char *text)
{
	size_t size = strlen(text) + 1;

	memcpy(at, text, size);
	return at + size;
}

/* Makes `size` bytes, which stand behind room for the header, the next packet to be sent. */
static void send_packet(struct probe *p, uint8_t number, size_t size)
{
	uint8_t *out = p->mysql.out;

	out[0] = (uint8_t)size;
	out[1] = (uint8_t)(size >> 8);
	out[2] = 0;
	out[3] = number;
	p->request = out;
	p->request_size = HEADER + size;
}

static int mysql_init(struct probe *p, const struct address *address)
{
	(void)address;
	strcpy(p->mysql.way, DEFAULT_WAY);
	return 0;
}

/* Protocol::HandshakeResponse41 with an empty password. */
static void mysql_begin(struct probe *p)
{
	struct probe_mysql *m = &p->mysql;
	uint8_t *at = m->out + HEADER;

	m->greeted = false;
	m->n_switches = 0;
	m->n_in = 0;
	at = put_number32(at, CAPABLE_LONG_PASSWORD | CAPABLE_PROTOCOL_41 | CAPABLE_SECURE |
				      CAPABLE_PLUGIN);
	at = put_number32(at, PACKET_MAX);
	*at++ = CHARSET;
	memset(at, 0, RESERVED);
	at = put_text(at + RESERVED, p->check->mysql_user ?: DEFAULT_USER);
	*at++ = 0; /* bytes of the proof that we know the password */
	at = put_text(at, m->way);
	send_packet(p, 1, (size_t)(at - m->out) - HEADER);
}

static enum probe_outcome not_mysql(struct probe *p)
{
	char got[PROBE_HEAD_TEXT_MAX];

	return probe_fail(p, "not a MySQL %s: %s", p->mysql.greeted ? "answer" : "greeting",
			  probe_head_text(p, got));
}

static enum probe_outcome on_error(struct probe *p, const uint8_t *error, size_t size)
{
	char said[PROBE_REASON_MAX];
	unsigned number;
	size_t skip = 3;

	if (size < skip)
		return not_mysql(p);
	number = error[1] | (unsigned)error[2] << 8;
	if (size >= skip + 6 && error[skip] == '#') {
		if (p->mysql.greeted && !memcmp(error + skip + 1, "28", 2))
			return PROBE_OK;
		skip += 6;
	}
	for (size_t i = 0; i < sizeof(refuses_us) / sizeof(refuses_us[0]); i++)
		if (p->mysql.greeted && number == refuses_us[i])
			return PROBE_OK;
	return probe_fail(p, "MySQL error %u: %s", number,
			  probe_escape(said, sizeof(said), error + skip, size - skip));
}

/* Protocol::HandshakeV10, of which the version of the protocol and a text for the server's say
 * that it is one. */
static enum probe_outcome on_greeting(struct probe *p, const uint8_t *greeting, size_t size)
{
	if (greeting[0] == ANSWER_ERROR)
		return on_error(p, greeting, size);
	if (greeting[0] != VERSION)
		return probe_fail(p, "expected version 10 of the MySQL protocol, got %u",
				  greeting[0]);
	if (!memchr(greeting + 1, '\0', size - 1))
		return not_mysql(p);
	p->mysql.greeted = true;
	p->n_head = 0; /* now of the answer */
	return PROBE_MORE;
}

/*
 * The server wants another way to log in: no password again, which each of them takes as an empty
 * packet. The next probe names this way at once, so that a slow server need not ask.
 */
static enum probe_outcome on_switch(struct probe *p, const uint8_t *answer, size_t size)
{
	struct probe_mysql *m = &p->mysql;
	size_t length = strnlen((const char *)answer + 1, size - 1);

	if (m->n_switches++ == SWITCHES_MAX)
		return PROBE_OK;
	if (length > 0 && length < sizeof(m->way)) {
		memcpy(m->way, answer + 1, length);
		m->way[length] = '\0';
	}
	send_packet(p, (uint8_t)(m->in[3] + 1), 0);
	return PROBE_SEND;
}

static enum probe_outcome on_answer(struct probe *p, const uint8_t *answer, size_t size)
{
	static const char quit[] = "\x01\x00\x00\x00\x01"; /* COM_QUIT begins a new exchange */

	switch (answer[0]) {
	case ANSWER_ERROR:
		return on_error(p, answer, size);
	case ANSWER_OK:
		p->farewell = quit;
		p->farewell_size = sizeof(quit) - 1;
		return PROBE_OK;
	case ANSWER_SWITCH:
		return on_switch(p, answer, size);
	case ANSWER_MORE:
		return PROBE_OK; /* it wants to go on about a password that we do not have */
	default:
		return not_mysql(p);
	}
}

/* Numbers of packets go up by one: 0 greets, 1 is our login, 2 its answer. */
static bool number_fits(const struct probe_mysql *m)
{
	return m->in[3] == (m->greeted ? 2 + 2 * m->n_switches : 0);
}

/* Adds bytes to the packet, up to its end, and judges it when it is complete. */
static enum probe_outcome feed_packet(struct probe *p, const uint8_t *data, size_t size,
				      size_t *ret_taken)
{
	struct probe_mysql *m = &p->mysql;
	size_t end = HEADER, n;

	if (m->n_in >= HEADER)
		end += (size_t)m->in[0] | (size_t)m->in[1] << 8 | (size_t)m->in[2] << 16;
	n = size < end - m->n_in ? size : end - m->n_in;
	memcpy(m->in + m->n_in, data, n);
	probe_keep_head(p, data, n);
	m->n_in += n;
	*ret_taken = n;
	if (m->n_in < end)
		return PROBE_MORE;
	if (end == HEADER) {
		/* What speaks something else mostly shows here: letters make a long packet. */
		size_t length = (size_t)m->in[0] | (size_t)m->in[1] << 8 | (size_t)m->in[2] << 16;
		bool fits = length > 0 && HEADER + length <= sizeof(m->in) && number_fits(m);

		return fits ? PROBE_MORE : not_mysql(p);
	}
	m->n_in = 0;
	return (m->greeted ? on_answer : on_greeting)(p, m->in + HEADER, end - HEADER);
}

static enum probe_outcome mysql_feed(struct probe *p, const uint8_t *data, size_t size)
{
	enum probe_outcome outcome = PROBE_MORE;

	while (size > 0 && outcome == PROBE_MORE) {
		size_t taken;

		outcome = feed_packet(p, data, size, &taken);
		data += taken;
		size -= taken;
	}
	return outcome;
}

static enum probe_outcome mysql_end(struct probe *p)
{
	return probe_fail(p, "closed within the %s, after %zu bytes",
			  p->mysql.greeted ? "login" : "greeting", p->n_received);
}

const struct probe_kind probe_mysql = {
	.init = mysql_init,
	.begin = mysql_begin,
	.feed = mysql_feed,
	.on_end = mysql_end,
	.received_max = READ_MAX,
	.on_limit = not_mysql,
	.lingers = true,
};
