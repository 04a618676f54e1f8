// SPDX-License-Identifier: BSD-2-Clause
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "log.h"

static _Atomic enum log_level max_level = LOG_INFO;

static const struct {
	const char *name;
	const char *prefix; /* sd-daemon(3) */
} levels[] = {
	[LOG_ERROR] = {"error", "<3>"},
	[LOG_WARNING] = {"warning", "<4>"},
	[LOG_INFO] = {"info", "<6>"},
	[LOG_DEBUG] = {"debug", "<7>"},
};

void log_set_level(enum log_level level)
{
	atomic_store_explicit(&max_level, level, memory_order_relaxed);
}

const char *log_level_name(enum log_level level)
{
	return (size_t)level < sizeof(levels) / sizeof(levels[0]) ? levels[level].name : NULL;
}

void log_at(enum log_level level, const char *format, ...)
{
	char line[2048];
	va_list args;
	int head, body;
	size_t length;

	if (level > atomic_load_explicit(&max_level, memory_order_relaxed))
		return;

	head = snprintf(line, sizeof(line),
			"%slb4: %s: ", isatty(STDERR_FILENO) ? "" : levels[level].prefix,
			levels[level].name);
	va_start(args, format);
	body = vsnprintf(line + head, sizeof(line) - (size_t)head - 1, format, args);
	va_end(args);
	if (body < 0)
		return;

	length = strlen(line);
	line[length++] = '\n';
	/* A diagnostic that cannot be written has nowhere to be reported. */
	if (write(STDERR_FILENO, line, length) < 0)
		return;
}
