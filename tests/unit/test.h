/* SPDX-License-Identifier: BSD-2-Clause */
/* What cmocka.h needs before it, and what every unit test uses. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
