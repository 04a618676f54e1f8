/* SPDX-License-Identifier: BSD-2-Clause */
/* A descriptor that is readable from event_raise() to event_clear(). Any thread. */
#pragma once

/* 0 and *ret_fd, or -errno. */
int event_open(int *ret_fd);
void event_raise(int fd);
void event_clear(int fd);
