/* SPDX-License-Identifier: BSD-2-Clause */
/* What clients of a service with tls_routes say first. String literals: sizeof() - 1 bytes each. */
#pragma once

/* The least there can be: no session, one cipher suite, no extensions but what follows. */
#define HELLO(body, message, extensions)                                                           \
	"\x16\x03\x01\0" body "\x01\0\0" message "\x03\x03"                                        \
	"0123456789abcdef0123456789abcdef"                                                         \
	"\0\0\x02\x13\x01\x01\0\0" extensions

/* Asks for a.test, offers h2. */
#define NAMED                                                                                      \
	HELLO("\x47", "\x43",                                                                      \
	      "\x18\0\0\0\x0b\0\x09\0\0\x06"                                                       \
	      "a.test\0\x10\0\x05\0\x03\x02h2")
#define UNKNOWN                                                                                    \
	HELLO("\x3e", "\x3a",                                                                      \
	      "\x0f\0\0\0\x0b\0\x09\0\0\x06"                                                       \
	      "z.test")
#define BARE HELLO("\x2f", "\x2b", "\0")
#define BROKEN                                                                                     \
	HELLO("\x3e", "\x3a",                                                                      \
	      "\x0f\0\0\0\x0b\0\x09\0\0\x06"                                                       \
	      "z te/t")
#define FOREIGN "GET / HTTP/1.1\r\n"
