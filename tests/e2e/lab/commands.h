/* SPDX-License-Identifier: BSD-2-Clause */
/* The commands of lb4-lab; argv[0] is the command's word. */
#pragma once

int serve_main(int argc, char **argv);
int short_main(int argc, char **argv);
int stream_main(int argc, char **argv);
int crowd_main(int argc, char **argv);
int hammer_main(int argc, char **argv);
int stall_main(int argc, char **argv);
int notify_main(int argc, char **argv);
int flood_main(int argc, char **argv);
int talk_main(int argc, char **argv);
