/* SPDX-License-Identifier: BSD-2-Clause */
/* The commands of lb4-load; each is one process with one thread. */
#pragma once

struct options;

/* These return the exit status: 0 as it should be, 1 errors were counted. */
int serve_run(const struct options *o);
int short_run(const struct options *o);
int pingpong_run(const struct options *o);
int idle_run(const struct options *o);
int watch_run(const struct options *o);
int yardstick_run(const struct options *o);
