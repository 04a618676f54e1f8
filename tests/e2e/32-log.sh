#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# The connection log: all, failed only, one in so many, or off; and whatever becomes of standard
# output, connections go on.
# Alone: judges CPU.

. "${BASH_SOURCE[0]%/*}/lib.sh"

lab_up 1
backend_start b1
# $1: the log's settings
describe() {
	config "log: {$1}"
	service id "$VIP" id b1
	service abort "$VIP" abort b1
}
load() {
	lab short --to "$VIP:${PORT[id]}" --rate 1000 --duration "${1:-200ms}" >"$DIR/load.json" || fail "a connection failed: $(cat "$DIR/load.json")"
	lab talk "$VIP:${PORT[abort]}" send=x reset >/dev/null || fail "no reset"
}
# All that could be written is: lb4 has ended.
lines_of() {
	: >"$DIR/connections.log"
	describe "$1"
	start_lb4
	load
	stop_lb4
	ended true
}
ALL=201 FAILED=1
path_has log || ALL=0 FAILED=0
check_equal "lines of 201 connections with all" "$(lines_of "connections: all")" $ALL
check_equal "with failed" "$(lines_of "connections: failed")" $FAILED
check_equal "with off" "$(lines_of "connections: off")" 0
check_number "with one in ten" "$(lines_of "sample: 10")" '<' 60

# A reader that goes away, one that stops reading, and a full disk.
describe "connections: all"
write_config
spawn_in lb bash -c 'exec "$0" --config "$1" > >(head -n 1 >"$2")' "$LB4" "$DIR/lb4.yaml" "$DIR/first" 2>>"$DIR/lb4.err" &
LB4_PID=$!
PIDS+=($!)
wait_until 5 "lb4 is ready" is_ready
load 1s
load 1s
ok "connections go on when the reader of the log has gone"
ticks=$(cpu_ticks) start=$(now_ms)
wait_until 5 "a second passes" eval "((\$(now_ms) - $start >= 1000))"
check_number "and lb4 is idle then, hundredths of a second over 1 s" $(($(cpu_ticks) - ticks)) '<=' 2
stop_lb4

mkfifo "$DIR/pipe"
exec {HELD}<>"$DIR/pipe"
spawn_in lb "$LB4" --config "$DIR/lb4.yaml" >"$DIR/pipe" 2>>"$DIR/lb4.err" &
LB4_PID=$!
PIDS+=($!)
wait_until 5 "lb4 is ready" is_ready
load 2s
load 2s
ok "connections go on when nobody reads the log"
ticks=$(cpu_ticks) start=$(now_ms)
wait_until 5 "a second passes" eval "((\$(now_ms) - $start >= 1000))"
check_number "and lb4 is idle then, hundredths of a second over 1 s" $(($(cpu_ticks) - ticks)) '<=' 2
note_path
kill -TERM "$LB4_PID"
check_within 10 "it ends though nobody reads the log" is_dead "$LB4_PID"
wait "$LB4_PID" || fail "it ended with $?"
exec {HELD}<&-

spawn_in lb "$LB4" --config "$DIR/lb4.yaml" >/dev/full 2>>"$DIR/lb4.err" &
LB4_PID=$!
PIDS+=($!)
wait_until 5 "lb4 is ready" is_ready
load
ok "connections go on when the disk is full"
LB4_ERR_LINES=$(wc -l <"$DIR/lb4.err")
check_number "lines of diagnostics" "$LB4_ERR_LINES" '<' 100
pass
