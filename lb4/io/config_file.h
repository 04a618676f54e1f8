/* SPDX-License-Identifier: BSD-2-Clause */
/* The configuration file. */
#pragma once

#include "config.h"

/* The largest file that is read. */
#define CONFIG_FILE_MAX (4u << 20)

/* Reads and parses; returns as config_parse(), or -errno of reading. -EFBIG past CONFIG_FILE_MAX. */
int config_file_read(const char *path, struct config **ret, struct config_errors *ret_errors);
