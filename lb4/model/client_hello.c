// SPDX-License-Identifier: BSD-2-Clause
#include <assert.h>
#include <string.h>

#include "client_hello.h"

#define RECORD_HEADER	 5
#define RECORD_MAX	 16384 /* RFC 8446, 5.1 */
#define RECORD_HANDSHAKE 22
#define VERSION_MAJOR	 3 /* of everything since SSL 3; the minor one says nothing here */

#define MESSAGE_HEADER	     4
#define MESSAGE_CLIENT_HELLO 1

#define EXTENSION_SERVER_NAME 0
#define EXTENSION_ALPN	      16
#define NAME_TYPE_HOST	      0

/* What is left of a stretch of bytes. Taking more than there is fails and takes nothing. */
struct span {
	const uint8_t *at;
	size_t left;
};

static bool take(struct span *s, size_t size, struct span *ret)
{
	if (size > s->left)
		return false;
	*ret = (struct span){s->at, size};
	s->at += size;
	s->left -= size;
	return true;
}

/* A big-endian number of `bytes` bytes. */
static bool take_number(struct span *s, size_t bytes, size_t *ret)
{
	struct span number;

	if (!take(s, bytes, &number))
		return false;
	*ret = 0;
	for (size_t i = 0; i < bytes; i++)
		*ret = *ret << 8 | number.at[i];
	return true;
}

/* A vector: its length in `bytes` bytes, then so much. */
static bool take_vector(struct span *s, size_t bytes, struct span *ret)
{
	struct span rest = *s;
	size_t size;

	if (!take_number(&rest, bytes, &size) || !take(&rest, size, ret))
		return false;
	*s = rest;
	return true;
}

/* The functions below return why it is malformed, or NULL. */

static const char *read_server_name(struct span extension, struct client_hello *hello)
{
	struct span list, name;
	size_t type;

	if (!take_vector(&extension, 2, &list) || extension.left > 0 || list.left == 0)
		return "sni-length";
	/* Only one type is defined, and any other has to begin with its length. */
	while (list.left > 0) {
		if (!take_number(&list, 1, &type) || !take_vector(&list, 2, &name))
			return "sni-length";
		if (type != NAME_TYPE_HOST)
			continue;
		if (hello->has_sni)
			return "sni-twice";
		if (server_name_read(name.at, name.left, hello->sni))
			return "sni-name";
		hello->has_sni = true;
	}
	return NULL;
}

static const char *read_alpn(struct span extension, struct client_hello *hello)
{
	struct span list, rest, protocol;

	if (!take_vector(&extension, 2, &list) || extension.left > 0 || list.left == 0)
		return "alpn-length";
	for (rest = list; rest.left > 0;)
		if (!take_vector(&rest, 1, &protocol) || protocol.left == 0)
			return "alpn-length";
	hello->alpn = list.at;
	hello->alpn_size = list.left;
	return NULL;
}

static const char *read_extensions(struct span list, struct client_hello *hello)
{
	bool seen_name = false, seen_alpn = false;
	const char *why = NULL;

	while (list.left > 0 && !why) {
		struct span extension;
		size_t type;

		if (!take_number(&list, 2, &type) || !take_vector(&list, 2, &extension))
			return "extension-length";
		/* Of two names one would decide here and perhaps the other at the server. */
		if ((type == EXTENSION_SERVER_NAME && seen_name) ||
		    (type == EXTENSION_ALPN && seen_alpn))
			return "extension-twice";
		if (type == EXTENSION_SERVER_NAME) {
			seen_name = true;
			why = read_server_name(extension, hello);
		} else if (type == EXTENSION_ALPN) {
			seen_alpn = true;
			why = read_alpn(extension, hello);
		}
	}
	return why;
}

static const char *read_message(struct span message, struct client_hello *hello)
{
	struct span skipped, suites, session, compression, extensions;
	size_t version;

	if (!take_number(&message, 2, &version) || version >> 8 != VERSION_MAJOR)
		return "version";
	if (!take(&message, 32, &skipped) /* random */ || !take_vector(&message, 1, &session) ||
	    session.left > 32)
		return "session-length";
	if (!take_vector(&message, 2, &suites) || suites.left < 2 || suites.left % 2)
		return "cipher-suites-length";
	if (!take_vector(&message, 1, &compression) || compression.left == 0)
		return "compression-length";
	if (message.left == 0)
		return NULL; /* before TLS 1.3 there may be no extensions */
	if (!take_vector(&message, 2, &extensions) || message.left > 0)
		return "extensions-length";
	return read_extensions(extensions, hello);
}

/* SSL 2's own ClientHello: two bytes of length with the first bit set, 1, a version. */
static enum client_hello_result judge_other(const uint8_t *data, size_t size, const char **ret_why)
{
	static const size_t wanted = 5;
	bool ssl2 = (data[0] & 0x80) && (size < 3 || data[2] == 1) &&
		    (size < 4 || data[3] == 0 || data[3] == VERSION_MAJOR) &&
		    (size < 5 || data[3] == VERSION_MAJOR || data[4] == 2);

	if (ssl2 && size < wanted)
		return CLIENT_HELLO_MORE;
	*ret_why = ssl2 ? "ssl2" : "not-tls";
	return CLIENT_HELLO_NOT_TLS;
}

/* Judges what is there of a record's header. Done: it is whole and good. */
static enum client_hello_result judge_record(struct span s, bool first, const char **ret_why)
{
	size_t length;

	if (s.left >= 1 && s.at[0] != RECORD_HANDSHAKE) {
		if (first)
			return judge_other(s.at, s.left, ret_why);
		*ret_why = "record-type";
		return CLIENT_HELLO_MALFORMED;
	}
	if (s.left >= 2 && s.at[1] != VERSION_MAJOR) {
		*ret_why = first ? "not-tls" : "record-version";
		return first ? CLIENT_HELLO_NOT_TLS : CLIENT_HELLO_MALFORMED;
	}
	if (s.left < RECORD_HEADER)
		return CLIENT_HELLO_MORE;
	length = (size_t)s.at[3] << 8 | s.at[4];
	if (length == 0 || length > RECORD_MAX) {
		*ret_why = "record-length";
		return CLIENT_HELLO_MALFORMED;
	}
	return CLIENT_HELLO_DONE;
}

static size_t smaller(size_t a, size_t b)
{
	return a < b ? a : b;
}

/*
 * The first `size` bytes of the message, which are there: where they lie, when that is within one
 * record, or copied to `scratch`.
 */
static const uint8_t *gather(const uint8_t *data, size_t size, uint8_t *scratch)
{
	size_t done = 0;

	for (const uint8_t *record = data; done < size;) {
		size_t length = (size_t)record[3] << 8 | record[4];
		size_t n = smaller(length, size - done);

		if (n == size)
			return record + RECORD_HEADER;
		memcpy(scratch + done, record + RECORD_HEADER, n);
		done += n;
		record += RECORD_HEADER + length;
	}
	return scratch;
}

/* The message's header has come. Done: it announces a ClientHello that can be complete. */
static enum client_hello_result judge_message(struct client_hello_scan *scan, const uint8_t *data,
					      size_t limit, const char **ret_why)
{
	uint8_t copy[MESSAGE_HEADER];
	const uint8_t *header = gather(data, MESSAGE_HEADER, copy);

	if (header[0] != MESSAGE_CLIENT_HELLO) {
		*ret_why = "message-type";
		return CLIENT_HELLO_MALFORMED;
	}
	scan->size =
		MESSAGE_HEADER + ((uint32_t)header[1] << 16 | (uint32_t)header[2] << 8 | header[3]);
	if (scan->size + RECORD_HEADER <= limit)
		return CLIENT_HELLO_DONE;
	*ret_why = "message-length";
	return CLIENT_HELLO_TOO_LONG;
}

/* Follows the records as far as bytes have come. Done: the whole message is there. */
static enum client_hello_result follow(struct client_hello_scan *scan, const uint8_t *data,
				       size_t size, size_t limit, const char **ret_why)
{
	for (;;) {
		struct span s = {data + scan->record, size - scan->record};
		enum client_hello_result r = judge_record(s, scan->record == 0, ret_why);
		size_t length, there;

		if (r != CLIENT_HELLO_DONE)
			return r;
		length = (size_t)s.at[3] << 8 | s.at[4];
		there = smaller(length, s.left - RECORD_HEADER);
		if (scan->size == 0 && scan->gathered + there >= MESSAGE_HEADER) {
			r = judge_message(scan, data, limit, ret_why);
			if (r != CLIENT_HELLO_DONE)
				return r;
		}
		if (scan->size && scan->gathered + there >= scan->size)
			return CLIENT_HELLO_DONE;
		if (there < length)
			return CLIENT_HELLO_MORE;
		scan->gathered += (uint32_t)length;
		scan->record += (uint32_t)(RECORD_HEADER + length);
		if (scan->record == size)
			return CLIENT_HELLO_MORE;
	}
}

enum client_hello_result client_hello_read(struct client_hello_scan *scan, const uint8_t *data,
					   size_t size, size_t limit,
					   uint8_t scratch[CLIENT_HELLO_MAX],
					   struct client_hello *ret)
{
	struct client_hello hello = {};
	enum client_hello_result r;
	struct span message;

	assert(size <= limit && limit <= CLIENT_HELLO_MAX);
	if (scan->record > size)
		*scan = (struct client_hello_scan){}; /* the limit has shrunk meanwhile */
	r = size == scan->record ? CLIENT_HELLO_MORE : follow(scan, data, size, limit, &hello.why);
	if (r == CLIENT_HELLO_MORE && size < limit)
		return r;
	if (r == CLIENT_HELLO_MORE) {
		r = CLIENT_HELLO_TOO_LONG;
		hello.why = "bytes";
	}
	if (r == CLIENT_HELLO_DONE) {
		message = (struct span){gather(data, scan->size, scratch) + MESSAGE_HEADER,
					scan->size - MESSAGE_HEADER};
		hello.why = read_message(message, &hello);
	}
	if (hello.why) {
		/* What was read before the fault is not to be relied on. */
		hello = (struct client_hello){.why = hello.why};
		r = r == CLIENT_HELLO_DONE ? CLIENT_HELLO_MALFORMED : r;
	}
	*ret = hello;
	return r;
}
