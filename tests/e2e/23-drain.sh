#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Taking a backend out by hand: draining lets connections finish and refuses new ones, its timeout
# ends those that stay, --wait waits for the last; disabling and weight 0 leave connections alone.

. "${BASH_SOURCE[0]%/*}/lib.sh"

lab_up 2
backend_start b1 b2
CHECK="check: {tcp: true, interval: 300ms, fast_interval: 100ms}"
# Where connections are not counted, those that have spoken since the drain began are known, and forgotten with time;
# and lb4 can tell a client nothing before it speaks.
LONG=5 IDLE= FORGOTTEN=3 STAYS=()
path_has active || LONG=15 IDLE="idle_timeout: 3s" FORGOTTEN=12 STAYS=(quiet=2500ms send=ho)
config
service echo "$VIP" echo "b1 b2" "$CHECK" "$IDLE"
service id "$VIP" id "b1 b2" "$CHECK"
service timed "$VIP:1001" echo "b1 b2" "$CHECK" "drain_timeout: 1s"
start_lb4
wait_all_up

# only WHO: connections of the service id go there alone.
only() {
	lab short --to "$VIP:${PORT[id]}" --rate 200 --duration 500ms >"$DIR/only.json" || fail "$(cat "$DIR/only.json")"
	check_equal "new connections go to" "$(json "$DIR/only.json" '.by_backend | keys | sort | join(" ")')" "$1"
}
active() {
	backend_value "$1" "$2" active
}
only "b1 b2"

# streams_run MORE-THAN: on both, of those that have just begun.
BEGUN_BEFORE=0
streams_run() {
	local b1 b2
	b1=$(begun echo b1) b2=$(begun echo b2)
	((b1 > $1 && b2 > $1 && b1 + b2 > BEGUN_BEFORE))
}

spawn_lab stream.json stream --to "$VIP:${PORT[echo]}" --count 40 --duration "$(patient $LONG)s" --interval "$(patient 10)ms" &
STREAM=$!
wait_until 3 "streams run on both" streams_run 5
wait_until 3 "all of them" running 40 echo
had=$(begun echo b1)
lbctl drain echo b1 --wait >"$DIR/wait.txt" 2>&1 &
WAIT=$!
wait_until 2 "b1 drains" backend_is echo b1 '.admin == "draining" and .eligible == false'
have_b1() {
	(($(active echo b1) == had))
}
check_within 8 "its $had streams go on" have_b1
lab stream --to "$VIP:${PORT[echo]}" --count 20 --duration 300ms >"$DIR/late.json" || fail "$(cat "$DIR/late.json")"
check_equal "new streams on the draining backend" "$(json "$DIR/late.json" '.by_backend.b1.count // 0')" 0
check_not "--wait does not return while they run" is_dead "$WAIT"
finished "$STREAM" || fail "a stream broke: $(cat "$DIR/stream.json.err")"
ok "every stream of the draining backend came to its own end"
check_within $FORGOTTEN "--wait returns then" is_dead "$WAIT"
finished "$WAIT" || fail "drain --wait ended with $?: $(cat "$DIR/wait.txt")"
lbctl undrain echo b1 >/dev/null
check_within 2 "undrain brings it back" backend_is echo b1 '.eligible and .admin == "enabled"'

# $1: the service, then its port; a talk that stays until it is ended.
stay() {
	spawn_lab "$1.txt" talk --within 6s "$VIP:$2" send=hi name recv=hi "${STAYS[@]}" end &
	STAY=$!
	wait_until 3 "the talk has begun" grep -q 'recv ok' "$DIR/$1.txt"
	MET=$(awk '$1 == "name" && $2 != "ok" { print $2 }' "$DIR/$1.txt")
}
stay timed 1001
lbctl drain timed "$MET" >/dev/null
finished "$STAY" || fail "$(cat "$DIR/timed.txt")"
if path_has active; then
	ms=$(awk '$1 == "end" { print $3 }' "$DIR/timed.txt")
	check_number "drain_timeout ends what stays, ms" "$ms" '>=' 900
	check_number "and soon, ms" "$ms" '<=' "$(soon_after 1700)"
else
	check_matches "drain_timeout ends what stays, when it speaks" "$(cat "$DIR/timed.txt")" 'failed|ended with a reset'
fi
check_log 2 "logged as drain-timeout" '.service == "timed" and .end == "drain-timeout"'
stay echo "${PORT[echo]}"
status=0
lbctl drain echo "$MET" --timeout 500ms --wait >"$DIR/wait.txt" 2>&1 || status=$?
check_equal "drain --wait that has to end connections says so by its status" $status 1
finished "$STAY" || fail "$(cat "$DIR/echo.txt")"
check_matches "--timeout takes the place of the service's" "$(cat "$DIR/echo.txt")" 'failed|ended with a reset'
check_log 2 "and is logged" '.service == "echo" and .end == "drain-timeout"'
lbctl undrain echo "$MET" >/dev/null

path_has active || BEGUN_BEFORE=$(($(begun echo b1) + $(begun echo b2) + 19))
spawn_lab stream.json stream --to "$VIP:${PORT[echo]}" --count 20 --duration "$(patient 2)s" --interval "$(patient 10)ms" &
STREAM=$!
wait_until 3 "streams run on both" streams_run 2
lbctl disable echo b2 >/dev/null
lbctl disable id b2 >/dev/null
only b1
backend_is id b2 '.admin == "disabled"' || fail "disabled is not shown"
lbctl weight echo b1 0 >/dev/null
lbctl enable echo b2 >/dev/null
lbctl enable id b2 >/dev/null
lbctl weight id b1 0 >/dev/null
only b2
finished "$STREAM" || fail "a stream broke: $(cat "$DIR/stream.json.err")"
ok "disabling and weight 0 broke no stream"
lbctl weight id b1 3 >/dev/null
only "b1 b2"
check_number "weight 3 against 1 gets about three quarters of the slots" "$(backend_value id b1 share)" '>' 0.74

lbctl disable id b1 >/dev/null
backend_kill b1
check_not "what is disabled is not checked" holds_within 2 backend_is id b1 '.state == "down"'
pass
