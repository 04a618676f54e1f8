#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# What a service manager hears by NOTIFY_SOCKET: ready, how lb4 is, reloads, signs of life for its
# watchdog, and a stop that takes its time.

. "${BASH_SOURCE[0]%/*}/lib.sh"

lab_up 2
backend_start b1 b2
describe() {
	config "stop_timeout: 30s"
	service web "$VIP" echo "$1" "check: {tcp: true, interval: 300ms, fast_interval: 100ms}" "passive: off"
}
describe "b1 b2"

# manager NAME: listens, and starts lb4 as its child.
manager() {
	"$LAB" notify "$DIR/notify.sock" >"$DIR/$1" &
	MANAGER=$!
	PIDS+=($!)
	HEARD=$DIR/$1
	wait_until 5 "the manager listens" grep -q ready "$HEARD"
}
heard() {
	grep -qE -- "$1" "$HEARD"
}
pings() {
	grep -c '^WATCHDOG=1' "$HEARD" || true
}
more_pings() {
	(($(pings) >= $1))
}

manager heard.1
start_lb4 env NOTIFY_SOCKET="$DIR/notify.sock" WATCHDOG_USEC=400000
check_within 5 "ready, with a status" heard '^READY=1 STATUS=services 1 of 1 up, backends 2 of 2 up$'
check_within 5 "signs of life, four in the watchdog's time" more_pings 8
check_not "no thread was ever found stuck" grep -q 'does not answer' "$DIR/lb4.err"

backend_kill b2
check_within 5 "the status follows" heard '^STATUS=services 1 of 1 up, backends 1 of 2 up$'

kill -HUP "$LB4_PID"
check_within 2 "a reload begins" heard '^RELOADING=1 MONOTONIC_USEC=[0-9]+ '
check_within 2 "and ends" eval '(($(grep -c "^READY=1" "$HEARD") == 2))'
echo "nonsense: 1" >>"$DIR/lb4.yaml"
kill -HUP "$LB4_PID"
check_within 2 "one that is refused ends as well" eval '(($(grep -c "^READY=1" "$HEARD") == 3))'

# A process that stands still gives no sign of life, and goes on with it later.
kill -STOP "$LB4_PID"
wait_until 2 "it stands" eval '[[ $(awk "{ sub(/.*\\) /, \"\"); print \$1 }" /proc/$LB4_PID/stat) == T ]]'
BEFORE=$(pings) START=$(now_ms)
wait_until 5 "a second passes" eval '(($(now_ms) - START >= 1000))'
check_equal "no sign of life from a process that is stopped" "$(pings)" "$BEFORE"
kill -CONT "$LB4_PID"
check_within 5 "and again when it goes on" more_pings $((BEFORE + 3))

spawn_lab talk.txt talk --within 60s "$VIP:${PORT[echo]}" send=hi name recv=hi end &
TALK=$!
wait_until 5 "a talk has begun" grep -q 'recv ok' "$DIR/talk.txt"
LEFT=1
path_has active || LEFT="[01], and those of dsr, which are not counted"
note_path
kill -TERM "$LB4_PID"
check_within 2 "stopping, with time to drain" heard "^STOPPING=1 EXTEND_TIMEOUT_USEC=20000000 STATUS=stopping; connections left: $LEFT\$"
BEFORE=$(pings)
check_within 5 "signs of life go on while connections finish" more_pings $((BEFORE + 3))
check_within 8 "and more time is asked for" heard '^EXTEND_TIMEOUT_USEC=20000000'
check_equal "READY is not said again" "$(grep -c '^READY=1' "$HEARD")" 3
kill "$TALK"
if path_has active; then
	check_within 5 "it ends with the last connection" is_dead "$LB4_PID"
else
	check_not "where nobody counts them it waits on" holds_within 1 is_dead "$LB4_PID"
	kill -TERM "$LB4_PID"
	check_within 5 "until it is told again" is_dead "$LB4_PID"
fi
status=0
wait "$LB4_PID" || status=$?
LB4_PID=
check_equal "its status" "$status" 0
kill "$MANAGER"

# A watchdog that is meant for another process, and a manager that is not there.
describe "b1 b2"
manager heard.2
start_lb4 env NOTIFY_SOCKET="$DIR/notify.sock" WATCHDOG_USEC=100000 WATCHDOG_PID=1
check_within 5 "ready" heard '^READY=1'
kill -HUP "$LB4_PID"
check_within 2 "a reload" heard '^RELOADING=1'
check_equal "signs of life that nobody asked for" "$(pings)" 0
kill "$MANAGER"
wait_until 2 "the manager is gone" is_dead "$MANAGER"
rm -f "$DIR/notify.sock"
lbctl reload >/dev/null
check_within 2 "a manager that is gone is told of once" grep -q 'cannot tell the service manager' "$DIR/lb4.err"
lbctl reload >/dev/null
check_equal "once" "$(grep -c 'cannot tell the service manager' "$DIR/lb4.err")" 1
kill -TERM "$LB4_PID"
check_within 5 "and lb4 ends as always" is_dead "$LB4_PID"
LB4_PID=
PASSED=1
exit 0
