#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Events: a killed backend, a drain and a reload are seen live, as the log has them; who follows
# goes on over a restart, and Ctrl-C ends it well.

. "${BASH_SOURCE[0]%/*}/lib.sh"

lab_up 3
backend_start b1 b2 b3
describe() {
	config
	service web "$VIP" echo "$1" "check: {tcp: true, interval: 300ms, fast_interval: 100ms, rise: 2}" "passive: off" "$IDLE"
}
# Where connections are not counted, one that has spoken since the drain began is known, and is forgotten with time.
AGAIN=() KNOWN="== 1" FORGOTTEN=3 IDLE=
if ! path_has active; then
	AGAIN=(quiet=1500ms send=ho recv=ho) KNOWN="<= 1" FORGOTTEN=12 IDLE="idle_timeout: 3s"
fi
describe "b1 b2 b3"
start_lb4
wait_all_up

# saw FILTER: an event that was followed fits a jq filter.
saw() {
	jq -ne "[inputs | select($1)] | length > 0" "$DIR/events.json" >/dev/null 2>&1
}
# logged FILTER: the last such event's sentence is in the log.
logged() {
	grep -qF "$(jq -rn "[inputs | select($1)][-1].text" "$DIR/events.json")" "$DIR/lb4.err"
}
# Job control gives it a SIGINT that is not ignored.
set -m
"$LBCTL" --socket "$DIR/lb4.sock" --json events --follow >"$DIR/events.json" 2>"$DIR/events.err" &
FOLLOWER=$!
set +m
PIDS+=($FOLLOWER)
check_within 5 "what happened before is shown first" saw '.kind == "start"'

backend_kill b1
check_within 5 "a killed backend is told" saw '.kind == "backend-ejected" and .backend == "b1" and .data.why == "check" and (.data.error | test("refused"))'
check_within 2 "with the slots that moved" saw '.kind == "slots-moved" and .service == "web" and .data.slots > 0'
check "the log has the same sentence" logged '.kind == "backend-ejected"'
backend_start b1
check_within 5 "its return is told" saw '.kind == "backend-back" and .backend == "b1" and .data.out_ms > 0'

spawn_lab talk.txt talk --within 20s "$VIP:${PORT[echo]}" send=hi name recv=hi "${AGAIN[@]}" end &
TALK=$!
wait_until 5 "a talk has begun" grep -q 'recv ok' "$DIR/talk.txt"
SERVER=$(awk '$1 == "name" && $2 != "ok" { print $2 }' "$DIR/talk.txt")
LISTED=$SERVER
path_has log || LISTED=null
check_equal "its backend, as listed" "$(lbctl --json connections | jq -r '.connections[0].backend')" "$LISTED"
lbctl drain web "$SERVER" >/dev/null
check_within 2 "a drain's begin is told" saw ".kind == \"drain-begun\" and .backend == \"$SERVER\" and .data.connections $KNOWN"
check_not "its end is not while a connection is left" saw '.kind == "drain-finished"'
kill "$TALK"
check_within "$FORGOTTEN" "its end is told when that has gone" saw ".kind == \"drain-finished\" and .backend == \"$SERVER\""
lbctl enable web "$SERVER" >/dev/null
check_within 2 "and that it is enabled" saw ".kind == \"backend-enabled\""

describe "b1 b2"
write_config
lbctl reload >/dev/null
check_within 2 "a reload is told" saw '.kind == "reload" and .data.backends_removed == 1'
check "with what went" saw '.kind == "backend-removed" and .backend == "b3"'
echo "nonsense: 1" >>"$DIR/lb4.yaml"
kill -HUP "$LB4_PID"
check_within 2 "a refused one is told" saw '.kind == "reload-refused" and .data.faults == 1'

check_equal "events of a service that is not there" "$(lbctl events wbe >/dev/null 2>&1 || echo refused)" refused
LAST=$(lbctl --json events | tail -n 1 | jq .id)
check_equal "all were followed, without a gap" "$(jq -n '[inputs | .id] | (.[-1] - .[0] + 1) == length' "$DIR/events.json")" true
check_equal "nothing has happened since the last one" "$(lbctl events --since "$LAST" | wc -l)" 0
check_equal "-n counts from the end" "$(lbctl --json events -n 1 | jq .id)" "$LAST"

describe "b1 b2"
write_config
stop_lb4
check_within 5 "lb4's end is told before it ends" saw '.kind == "stopped"'
check_within 5 "and the follower says that it is gone" grep -q 'lb4 is gone' "$DIR/events.err"
is_dead "$FOLLOWER" && fail "the follower has ended"
start_lb4
check_within 5 "it says when lb4 is back" grep -q 'lb4 is back' "$DIR/events.err"
check_within 2 "and goes on with the new one's events" saw ".kind == \"start\" and .id > $LAST"
lbctl weight web b2 7 >/dev/null
check_within 2 "live" saw '.kind == "backend-weight" and .data.weight == 7 and .data.before == 1'

# Many wait; others are served all the same.
WAITERS=()
for ((i = 0; i < 15; i++)); do
	"$LBCTL" --socket "$DIR/lb4.sock" events -f -n 0 >"$DIR/waiter.$i" &
	WAITERS+=($!)
	PIDS+=($!)
done
LAST=$(lbctl --json events -n 1 | jq .id)
full() {
	[[ $(curl -s -o /dev/null -w '%{http_code}' --unix-socket "$DIR/lb4.sock" "http://lb4/v1/events?since=$LAST&wait=1ms") == 503 ]]
}
check_within 5 "the 17th that waits is refused" full
start=$(now_ms)
lbctl status >/dev/null
check_number "status is answered meanwhile, ms" $(($(now_ms) - start)) '<' 2000
lbctl weight web b2 8 >/dev/null
for ((i = 0; i < 15; i++)); do
	wait_until 5 "follower $i hears of it" grep -q 'backend-weight' "$DIR/waiter.$i"
done
ok "all 15 others heard of the next event"
kill "${WAITERS[@]}"

kill -INT "$FOLLOWER"
status=0
finished "$FOLLOWER" || status=$?
check_equal "Ctrl-C ends the follower with" "$status" 0
pass
