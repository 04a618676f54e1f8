#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# What a service manager hears by NOTIFY_SOCKET: ready, how lb4 is, reloads, signs of life for its
# watchdog, and a stop that takes its time. And what lb4 keeps in STATE_DIRECTORY, for when it is
# started again after a crash.

. "${BASH_SOURCE[0]%/*}/lib.sh"

lab_up 4
backend_start b1 b2 b3 b4
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

# A crash: one backend is drained, one down (to its check alone, so that it would serve who came), one
# has another weight, and one is not in the file.
backend_start b2 # which was killed above
mkdir "$DIR/state"
STATE=$DIR/state/state.json
config
service id "$VIP" id "b1 b2 b3" "check: {tcp: true, port: ${PORT[echo]}, interval: 300ms, fast_interval: 100ms}" "max_eject: 100%"
start_again() {
	start_lb4 env STATE_DIRECTORY="$DIR/state"
}
has_event() {
	lbctl --json events | jq -es "any(.[]; .kind == \"$1\")" >/dev/null
}
start_again
wait_all_up
in_ns b3 nft add table inet check
in_ns b3 nft add chain inet check in '{ type filter hook input priority 0; }'
in_ns b3 nft add rule inet check in tcp dport "${PORT[echo]}" reject with tcp reset
lbctl add id b4 "$(backend_ip b4):${PORT[id]}" >/dev/null
lbctl weight id b2 3 >/dev/null
wait_until 5 "b3 is down, and b4 up" eval 'backend_is id b3 ".state == \"down\"" && backend_is id b4 .eligible'
lbctl drain id b1 --timeout 1h >/dev/null
# have_come NUMBER: so many clients have, since lb4 was started.
have_come() {
	(($(lbctl --json backends id | jq '[.backends[] | .connections] | add') >= $1))
}
spawn_lab crash.json short --to "$VIP:${PORT[id]}" --rate 500 --duration 60s --timeout 1s &
CLIENTS=$!
wait_until 5 "clients come" have_come 100
lb4_kill
start_again
check_within 10 "clients are served again" have_come 200
kill "$CLIENTS"
check_equal "of these, to the one that is drained, and the one that is down" "$(backend_value id b1 connections) $(backend_value id b3 connections)" "0 0"
check_number "to the one that is not in the file" "$(backend_value id b4 connections)" '>' 0
check_equal "drained, since before the crash" "$(backend_value id b1 admin)" draining
check_number "what is left of its hour, ms" "$(backend_value id b1 drain_left_ms)" '>' 3000000
check_equal "down" "$(backend_value id b3 why)" check
check_equal "the weight" "$(backend_value id b2 weight)" 3
check_equal "not in the file" "$(backend_value id b4 drift.kind)" added
check "lb4 says that it goes on" has_event state-restored
check_not "what was known is not told again" has_event backend-ejected
in_ns b3 nft delete table inet check
check_within 5 "a backend that is well again comes back" backend_is id b3 .eligible

# What lbctl has said to be done outlives whatever comes next.
for weight in 8 9; do
	lbctl weight id b2 $weight >/dev/null
	lb4_kill
	start_again
	check_equal "the weight, killed right after it was set" "$(backend_value id b2 weight)" $weight
done
lbctl undrain id b1 >/dev/null
stop_lb4
start_again
check_equal "after an orderly stop" "$(backend_value id b1 admin) $(backend_value id b2 weight)" "enabled 9"
lbctl drain id b1 >/dev/null
lb4_kill
CONFIG+="# another file"$'\n'
start_again
check_equal "in another file, a drain" "$(backend_value id b1 admin)" draining
check_equal "and what was changed at run time" "$(backend_value id b2 weight) $(backend_value id b4 weight)" "1 "
check "which is told" grep -q 'backend b4 was changed at run time; that is dropped' "$DIR/lb4.err"

# A disk that takes nothing more, and a file that is no good.
mv "$DIR/state" "$DIR/gone"
lbctl weight id b2 5 >/dev/null 2>"$DIR/warned.txt"
check_equal "a change is made all the same" "$(backend_value id b2 weight)" 5
check "and the operator is told" grep -q 'it would not survive lb4: cannot create .*state.json: No such file' "$DIR/warned.txt"
check "as is who asks" eval 'lbctl status | grep "^state file .*No such file" >/dev/null'
mv "$DIR/gone" "$DIR/state"
lb4_kill
truncate -s 60 "$STATE"
start_again
check "a damaged file is no reason not to start" has_event state-ignored
check_equal "everything is as the file has it" "$(backend_value id b1 admin)" enabled
check "the damaged one is set aside" test -s "$STATE.bad"
stop_lb4
check "and a new one is there" grep -q '^{"lb4_state":1,' "$STATE"
pass
