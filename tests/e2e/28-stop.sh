#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# SIGTERM: no new connections, the old ones have stop_timeout to finish, the rest is reset. `lbctl
# stop` does the same, and a second signal ends the waiting.
# Alone: opens thousands of connections a second.

. "${BASH_SOURCE[0]%/*}/lib.sh"

lab_up 2
backend_start b1 b2
describe() {
	config "stop_timeout: $1"
	service echo "$VIP" echo "b1 b2" "check: {tcp: true, interval: 500ms}"
	service id "$VIP" id "b1 b2"
}
refuses() {
	lab talk --within 1s "$VIP:${PORT[echo]}" send=hi name >"$DIR/refuses.txt" 2>&1 && return 1
	grep -qi refused "$DIR/refuses.txt"
}
# ends_well WITHIN
ends_well() {
	local pid=$LB4_PID status=0
	LB4_PID=
	check_within "$1" "lb4 ends" is_dead "$pid"
	wait "$pid" || status=$?
	check_equal "its status" $status 0
	check_equal "the socket is gone" "$([[ -e $DIR/lb4.sock ]] && echo there || echo gone)" gone
}

# Where connections are not counted lb4 waits for as long as it may.
path_has active && AFTER=2 || AFTER=5
describe "$(patient 4)s"
start_lb4
spawn_lab stream.json stream --to "$VIP:${PORT[echo]}" --count 20 --duration "$(patient 2)s" &
STREAM=$!
wait_until 3 "streams run" running 20 echo
note_path
kill -TERM "$LB4_PID"
check_within 1 "new connections are refused" refuses
check "lbctl tells that it stops" eval 'lbctl --json status | jq -e .stopping >/dev/null'
finished "$STREAM" || fail "a stream broke: $(cat "$DIR/stream.json.err")"
ok "connections came to their own end"
ends_well $AFTER

describe 1s
start_lb4
sed 's/lb4\.sock/other.sock/' "$DIR/lb4.yaml" >"$DIR/other.yaml"
status=0
in_ns lb "$LB4" --config "$DIR/other.yaml" >/dev/null 2>"$DIR/other.err" || status=$?
check_equal "a second lb4 does not share the addresses of the first" $status 1
check "and says so" grep -q "cannot listen on $VIP:.*in use" "$DIR/other.err"
SPEAKS= # a client that is silent is told nothing, where lb4 knows no numbers to forge
[[ ! $(why_not log) ]] || SPEAKS="quiet=2s send=more end"
# shellcheck disable=SC2086 # words are meant
spawn_lab talk.txt talk --within 5s "$VIP:${PORT[echo]}" send=hi name recv=hi ${SPEAKS:-end} &
TALK=$!
wait_until 3 "a talk has begun" grep -q 'recv ok' "$DIR/talk.txt"
start=$(now_ms)
kill -TERM "$LB4_PID"
ends_well 3
check_number "after stop_timeout, ms" $(($(now_ms) - start)) '>=' 950
finished "$TALK" || fail "$(cat "$DIR/talk.txt")"
if path_has log; then
	check_equal "logged as stopped" "$(ended '.end == "stopped" and .party == "lb4"')" 1
else
	check_matches "its client is reset when it speaks" "$(cat "$DIR/talk.txt")" 'failed|ended with a reset'
	check "that some are not counted is told" grep -q 'stop timeout is over; .*and those of dsr, which are not counted' "$DIR/lb4.err"
fi

describe 60s
start_lb4
# shellcheck disable=SC2086
spawn_lab talk2.txt talk --within 9s "$VIP:${PORT[echo]}" send=hi name recv=hi ${SPEAKS:-end} &
TALK=$!
wait_until 3 "a talk has begun" grep -q 'recv ok' "$DIR/talk2.txt"
lbctl stop >/dev/null
wait_until 2 "lb4 stops" refuses
kill -TERM "$LB4_PID"
ends_well 3
finished "$TALK" || fail "$(cat "$DIR/talk2.txt")"
# Whoever was taken by the kernel before the listeners closed is served; later ones are refused.
describe 5s
start_lb4
spawn_lab short.json short --to "$VIP:${PORT[id]}" --rate 2000 --duration 2s --failures "$DIR/failures.json" &
SHORT=$!
wait_until 3 "connections flow" eval '(($(lbctl --json services | jq ".services[1].accepted") > 500))'
note_path
kill -TERM "$LB4_PID"
ends_well $((AFTER + 1))
finished "$SHORT" && fail "the load was over before the stop"
check_number "connections refused after the stop" "$(json "$DIR/short.json" .refused)" '>' 0
check_equal "connections broken by it" "$(json "$DIR/short.json" '.failed - .refused')" 0

describe 60s
start_lb4
kill -INT "$LB4_PID"
ends_well 2
PASSED=1
exit 0
