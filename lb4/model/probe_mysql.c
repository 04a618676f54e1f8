// SPDX-License-Identifier: BSD-2-Clause
/*
 * The MySQL probe, for MariaDB as well: the server's greeting is judged, then a login follows.
 *
 * Who leaves after the greeting, whatever he says by way of goodbye, is counted by the server as a
 * connection error, and a host with max_connect_errors (100) of them in a row is blocked: lb4's,
 * and with it every client. What is not counted is a login that is well formed, even if it is
 * refused. So the probe logs in with a name and no password. When that is refused, the server is
 * alive all the same, as others may log in.
 */
#include <string.h>

#include "probe_kind.h"

#define HEADER	     4	   /* length of what follows, number of the packet */
#define PACKET_MAX   16384 /* of what is read all told; greetings and errors are far below */
#define SWITCHES_MAX 3	   /* ways to log in that a server may ask for before we give up */
#define PLUGIN_MAX   64	   /* longest name of such a way */
#define MAX_PACKET   (1u << 24)
#define VERSION	     10
#define DEFAULT_USER "lb4"

/* Where things stand in a greeting, counted from behind the server's version. */
#define AT_CAPABILITIES	     13 /* the lower half */
#define AT_CHARSET	     15
#define AT_MORE_CAPABILITIES 18
#define AT_NONCE_LENGTH	     20
#define AT_NONCE	     31 /* its second part */
#define NONCE_FIRST	     8
#define NONCE_MIN	     13 /* of the second part */

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

static void mysql_begin(struct probe *p)
{
	p->mysql.greeted = false;
	p->mysql.n_switches = 0;
	p->mysql.n_in = 0;
	p->request_size = 0; /* the server speaks first */
}

static enum probe_outcome not_mysql(struct probe *p)
{
	char got[PROBE_HEAD_TEXT_MAX];

	return probe_fail(p, "not a MySQL %s: %s", p->mysql.greeted ? "answer" : "greeting",
			  probe_head_text(p, got));
}

static size_t packet_length(const struct probe_mysql *m)
{
	return (size_t)m->in[0] | (size_t)m->in[1] << 8 | (size_t)m->in[2] << 16;
}

/* What follows the header, as far as it was kept. */
static const uint8_t *payload(const struct probe_mysql *m, size_t *ret_size)
{
	*ret_size = m->n_in - HEADER;
	return m->in + HEADER;
}

static unsigned number16(const uint8_t *bytes)
{
	return bytes[0] | (unsigned)bytes[1] << 8;
}

static enum probe_outcome on_error(struct probe *p)
{
	size_t size, skip = 3;
	const uint8_t *error = payload(&p->mysql, &size);
	char said[PROBE_REASON_MAX];
	unsigned number;

	if (size < skip)
		return not_mysql(p);
	number = number16(error + 1);
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
	p->mysql.n_in = 0;
	p->n_head = 0;
}

static uint8_t *put_number32(uint8_t *at, uint32_t value)
{
	for (int i = 0; i < 4; i++)
		*at++ = (uint8_t)(value >> (8 * i));
	return at;
}

static uint8_t *put_text(uint8_t *at, const char *text, size_t size)
{
	memcpy(at, text, size);
	at[size] = '\0';
	return at + size + 1;
}

/*
 * Protocol::HandshakeResponse41 with an empty password, for the server's own way to log in. `tail`
 * is the greeting from behind the server's version.
 */
static enum probe_outcome log_in(struct probe *p, const uint8_t *tail, size_t size)
{
	const char *user = p->check->mysql_user ?: DEFAULT_USER;
	uint32_t capabilities = number16(tail + AT_CAPABILITIES) |
				(uint32_t)number16(tail + AT_MORE_CAPABILITIES) << 16;
	size_t nonce = tail[AT_NONCE_LENGTH] > NONCE_FIRST + NONCE_MIN
			       ? tail[AT_NONCE_LENGTH] - NONCE_FIRST
			       : NONCE_MIN;
	uint8_t *at = p->mysql.out + HEADER;

	if (size <= AT_NONCE + nonce)
		capabilities &= ~(uint32_t)CAPABLE_PLUGIN;
	capabilities &= CAPABLE_PROTOCOL_41 | CAPABLE_SECURE | CAPABLE_PLUGIN;
	at = put_number32(at, capabilities | CAPABLE_LONG_PASSWORD);
	at = put_number32(at, MAX_PACKET);
	*at++ = tail[AT_CHARSET];
	memset(at, 0, 23);
	at = put_text(at + 23, user, strlen(user));
	*at++ = 0; /* bytes of the proof that we know the password */
	if (capabilities & CAPABLE_PLUGIN) {
		const char *plugin = (const char *)tail + AT_NONCE + nonce;
		size_t length = strnlen(plugin, size - AT_NONCE - nonce);

		at = put_text(at, plugin, length < PLUGIN_MAX ? length : 0);
	}
	p->mysql.greeted = true;
	send_packet(p, 1, (size_t)(at - p->mysql.out) - HEADER);
	return PROBE_SEND;
}

/* Protocol::HandshakeV10. */
static enum probe_outcome on_greeting(struct probe *p)
{
	size_t size;
	const uint8_t *greeting = payload(&p->mysql, &size), *tail;

	if (greeting[0] == ANSWER_ERROR)
		return on_error(p);
	if (greeting[0] != VERSION)
		return probe_fail(p, "expected version 10 of the MySQL protocol, got %u",
				  greeting[0]);
	tail = memchr(greeting + 1, '\0', size - 1); /* ends the server's version */
	if (!tail)
		return not_mysql(p);
	tail++;
	size -= (size_t)(tail - greeting);
	if (size < AT_NONCE)
		return not_mysql(p);
	if (!(number16(tail + AT_CAPABILITIES) & CAPABLE_PROTOCOL_41))
		return probe_fail(p, "the server is older than MySQL 4.1");
	return log_in(p, tail, size);
}

static enum probe_outcome on_answer(struct probe *p)
{
	static const char quit[] = "\x01\x00\x00\x00\x01"; /* COM_QUIT begins a new exchange */
	struct probe_mysql *m = &p->mysql;

	switch (m->in[HEADER]) {
	case ANSWER_ERROR:
		return on_error(p);
	case ANSWER_OK:
		p->farewell = quit;
		p->farewell_size = sizeof(quit) - 1;
		return PROBE_OK;
	case ANSWER_SWITCH:
		/* No password again, which each way to log in takes as an empty packet. */
		if (m->n_switches++ == SWITCHES_MAX)
			return PROBE_OK;
		send_packet(p, (uint8_t)(m->in[3] + 1), 0);
		return PROBE_SEND;
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

static enum probe_outcome mysql_feed(struct probe *p, const uint8_t *data, size_t size)
{
	struct probe_mysql *m = &p->mysql;
	size_t length, kept = sizeof(m->in) - m->n_in;

	probe_keep_head(p, data, size);
	kept = size < kept ? size : kept;
	memcpy(m->in + m->n_in, data, kept);
	m->n_in += kept;
	if (m->n_in < HEADER)
		return PROBE_MORE;
	/* What speaks something else mostly shows here: letters make a long packet. */
	length = packet_length(m);
	if (length == 0 || HEADER + length > sizeof(m->in) || !number_fits(m) ||
	    m->n_in > HEADER + length)
		return not_mysql(p);
	if (m->n_in < HEADER + length)
		return PROBE_MORE;
	return m->greeted ? on_answer(p) : on_greeting(p);
}

static enum probe_outcome mysql_end(struct probe *p)
{
	return probe_fail(p, "closed within the %s, after %zu bytes",
			  p->mysql.greeted ? "login" : "greeting", p->n_received);
}

const struct probe_kind probe_mysql = {
	.begin = mysql_begin,
	.feed = mysql_feed,
	.on_end = mysql_end,
	.received_max = PACKET_MAX,
	.on_limit = not_mysql,
	.lingers = true,
};
