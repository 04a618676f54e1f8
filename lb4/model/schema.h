/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Every setting of lb4.yaml(5), as data: its key, what may stand there, its range and default, and
 * where it goes. Reading, defaults, error texts and the words that programs print follow from this
 * table, and a test holds the manual page against it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "clock.h"

enum setting_type {
	SETTING_WORD, /* one of `words` and nothing else */
	SETTING_NUMBER,
	SETTING_DURATION,
	SETTING_SIZE, /* of memory, in bytes */
	SETTING_PERCENT,
	SETTING_TEXT,	  /* a C string */
	SETTING_BYTES,	  /* ASCII text with YAML's escapes, for the wire */
	SETTING_HEX,	  /* the same bytes in hexadecimal */
	SETTING_TEXTS,	  /* a text or a sequence of them, into a text_list (base/text.h) */
	SETTING_PREFIXES, /* a prefix or a sequence of them, into a struct prefix_list pointer */
	SETTING_STATUS,	  /* an HTTP status, or a range of them */
	SETTING_PORTS,	  /* a range of ports */
	SETTING_TRUE,	  /* a flag that is given or left out */
	SETTING_ADDRESS,  /* of a backend */
	SETTING_IP,	  /* an address without a port */
	SETTING_SECTION,  /* a mapping with the keys of `section` */
	SETTING_LISTEN,	  /* an address or a sequence of them */
	SETTING_SERVICES, /* a mapping of names to `section` */
	SETTING_BACKENDS, /* a mapping of names to `section` or to addresses */
	SETTING_ROUTES,	  /* a sequence of mappings with the keys of `section` */
	SETTING_HOOKS,	  /* a name, a mapping with the keys of `section`, or a sequence of them */
};

/* A word that may stand for a value, and the value. */
struct word {
	const char *text;
	uint64_t value;
};
#define WORD_DEFAULT UINT64_MAX /* the word leaves the defaults as they are */

/* A member of the struct that a section fills. */
struct field {
	uint16_t offset, size;
};

struct setting {
	const char *key;
	enum setting_type type;
	const char *description;  /* one line, without the key */
	const char *default_text; /* as it would stand in the file; NULL: none */
	const char *required;	  /* what is said when it is missing; NULL: it may be */
	bool perhaps;		  /* required, unless a rule finds that it may be missing */
	struct field into;	  /* the value, the value of a word, or the start of a range */
	uint64_t min, max;   /* of a number, a duration, a length in bytes, a count of entries */
	bool at_start;	     /* a reload leaves it to the next start */
	bool zero;	     /* 0 may stand below `min` and switches something off */
	nsec_t step;	     /* a duration is a multiple of this; 0: any */
	const char *at_most; /* may not be above this setting of the same section */
	const uint32_t *numbers;  /* the only numbers allowed, ending with 0; NULL: min to max */
	const struct word *words; /* ending with NULL */
	const char *(*refuse)(
		const char *text); /* of a text or each of several: why not, or NULL */
	const struct section *section;
	uint16_t base; /* where the section's struct begins */
	struct field
		also_into; /* of bytes: how many; of a range: its end; of a list with words: it */
};

struct section {
	const char *name;		/* "a service" */
	const struct setting *settings; /* ending with a NULL key */
};

#define SECTION_SETTINGS_MAX 64
#define LIST_TEXT_MAX	     1024 /* bytes of each text of a list */

extern const struct section schema_file, schema_admin, schema_log, schema_service, schema_backend,
	schema_hash, schema_source, schema_check, schema_passive, schema_keepalive, schema_proxy_in,
	schema_hello, schema_tls_route, schema_limits, schema_limits_source, schema_queue,
	schema_fastpath, schema_interface;

/* All of them, ending with NULL. */
extern const struct section *const schema_sections[];

/* NULL when the section has no such key. */
const struct setting *section_find(const struct section *s, const char *key);

/* The key of `s` that was meant by one it does not have: habits from other software. NULL: none. */
const char *schema_synonym(const struct section *s, const char *key);

/* The word of `value`, NULL when there is none. */
const char *words_find(const struct word *words, uint64_t value);

extern const struct word schema_balance_words[], schema_hash_words[], schema_on_down_words[],
	schema_fail_words[], schema_proxy_words[], schema_hello_error_words[],
	schema_forward_words[], schema_hook_words[];
