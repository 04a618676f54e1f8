/* SPDX-License-Identifier: BSD-2-Clause */
/* Whether what `source_address` asks for works on this machine, before clients find out. On main. */
#pragma once

#include "config.h"

/*
 * -EADDRNOTAVAIL or -EPERM with a sentence in *ret_error when backends could not be connected from
 * these addresses. What only looks wrong, such as routing that would carry the answers to foreign
 * addresses past lb4, is a warning in the log.
 */
int source_check(const struct service_config *service, char **ret_error);
