// SPDX-License-Identifier: BSD-2-Clause
#include <string.h>

#include "server_name.h"

/* A byte of a label in lower case, 0 when it cannot be one. The locale has no say in this. */
static char label_byte(unsigned char c)
{
	if (c >= 'A' && c <= 'Z')
		return (char)(c - 'A' + 'a');
	if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == ':')
		return (char)c;
	return 0;
}

const char *server_name_read(const void *text, size_t length, char ret[SERVER_NAME_MAX + 1])
{
	const unsigned char *bytes = text;
	char name[SERVER_NAME_MAX + 1];
	size_t label = 0;

	if (length > 1 && bytes[length - 1] == '.')
		length--;
	if (length == 0)
		return "the name is empty";
	if (length > SERVER_NAME_MAX)
		return "the name is longer than 253 bytes";
	for (size_t i = 0; i < length; i++) {
		bool dot = bytes[i] == '.';

		if (dot && label == 0)
			return "a label is empty";
		name[i] = dot ? '.' : label_byte(bytes[i]);
		if (!name[i])
			return "a name is made of letters, digits, \"-\", \"_\" and dots";
		label = dot ? 0 : label + 1;
		if (label > SERVER_LABEL_MAX)
			return "a label is longer than 63 bytes";
	}
	if (label == 0)
		return "a label is empty";
	name[length] = '\0';
	memcpy(ret, name, length + 1);
	return NULL;
}
