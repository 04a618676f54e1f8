/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Diagnostics on standard error, one line each, with the priority prefix of sd-daemon(3) when
 * standard error is not a terminal. Callable from any thread: a line is one write(2). Only run/,
 * main.c and the tools log; lower layers return errors.
 */
#pragma once

enum log_level {
	LOG_ERROR,
	LOG_WARNING,
	LOG_INFO,
	LOG_DEBUG,
};

/* Lines above this level are not written; LOG_INFO at start. */
void log_set_level(enum log_level level);

/* The level's word in the configuration, or NULL past the last. */
const char *log_level_name(enum log_level level);

void log_at(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...)	 log_at(LOG_ERROR, __VA_ARGS__)
#define log_warning(...) log_at(LOG_WARNING, __VA_ARGS__)
#define log_info(...)	 log_at(LOG_INFO, __VA_ARGS__)
#define log_debug(...)	 log_at(LOG_DEBUG, __VA_ARGS__)
