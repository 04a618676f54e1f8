#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# At the end of what its few descriptors carry lb4 stops accepting, does not spin, drops nothing that
# is established, and takes up again when there is room.
# Alone: judges CPU.

. "${BASH_SOURCE[0]%/*}/lib.sh"

LIMIT=256

lab_up 1
backend_start b1
config "workers: 2"
service echo "$VIP" echo b1 "check: {tcp: true, interval: 500ms}"
start_lb4 prlimit --nofile=$LIMIT:$LIMIT
wait_all_up

spawn_lab stream.json stream --to "$VIP:${PORT[echo]}" --count 20 --duration 9s &
STREAM=$!
beside_start 9 b1
wait_until 3 "twenty streams run" running 20 echo

# More than there can be: the kernel takes them into the backlog, lb4 does not.
spawn_lab idle.json stall --to "$VIP:${PORT[echo]}" --count 400 idle &
IDLE=$!
wait_file 10 idle.json
check_equal "clients that the kernel took" "$(json "$DIR/idle.json" .connected)" 400
if ! path_has descriptors; then
	# Nothing is scarce: all are forwarded, and so is whoever comes then.
	check_within 3 "all of them are forwarded" eval '(($(lbctl --json services | jq ".services[0].forwarded") == 420))'
	check_number "descriptors" "$(lbctl --json status | jq .descriptors.used)" '<' 100
	check_equal "accepting never paused" "$(lbctl --json status | jq .trouble.accept_pauses)" 0
	check "new connections are served meanwhile" lab talk --within 1s "$VIP:${PORT[echo]}" send=hi name recv=hi fin eof >/dev/null
	kill -TERM $IDLE
	finished $IDLE
	check_equal "idle ones that had ended by themselves" "$(tail -n 1 "$DIR/idle.json" | jq .ended)" 0
	finished $STREAM || fail "a stream broke: $(cat "$DIR/stream.json" "$DIR/stream.json.err")"
	finished $BESIDE || fail "streams past lb4 broke"
	pass
fi
held=$(lbctl --json services | jq '.services[0].active')
max=$(lbctl --json status | jq .max_connections)
# Each worker may have accepted one more when they come to the limit together.
check_number "connections that lb4 took" "$held" '<=' $((max + 2))
check_number "at least" "$held" '>=' "$max"
check_number "descriptors" "$(lbctl --json status | jq .descriptors.used)" '<' $LIMIT

ticks=$(cpu_ticks) start=$(now_ms)
before=$(lbctl --json services | jq '.services[0].accepted')
wait_until 5 "two seconds pass" eval "((\$(now_ms) - $start >= 2000))"
check_number "CPU meanwhile (20 streams at 100 echoes a second), hundredths of a second over 2 s" $(($(cpu_ticks) - ticks)) '<' 60
check_equal "accepted meanwhile" "$(lbctl --json services | jq '.services[0].accepted')" "$before"
check "lbctl is still answered" is_ready
check_equal "connections that lb4 ended" "$(ended '.party == "lb4"')" 0
check "the checks still work" backend_is echo b1 '.state == "up"'

kill -TERM $IDLE
finished $IDLE
check_within 5 "once they are gone, new connections are served" lab talk --within 1s "$VIP:${PORT[echo]}" send=hi name recv=hi fin eof
finished $STREAM || fail "a stream broke: $(cat "$DIR/stream.json" "$DIR/stream.json.err")"
stall_limit 200
check_timing "the streams noticed nothing; longest wait, ms" "$(json "$DIR/stream.json" .longest_gap_ms)" '<=' $LIMIT
pass
