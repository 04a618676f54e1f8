#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# A backend that refuses or does not answer costs the client a moment, not the connection: the next
# candidate is tried before any byte of the client is consumed. When nobody is left, the client is
# told at once.
# Alone: judges how long tries take.

. "${BASH_SOURCE[0]%/*}/lib.sh"

# Spliced on every path, since nobody is to be chosen.
nobody_is_left() {
	local b
	for b in b2 b3; do
		lbctl disable empty $b >/dev/null
	done
	lab talk --within 2s "$VIP:1005" end >"$DIR/empty.txt" 2>&1 || fail "$(cat "$DIR/empty.txt")"
	check "with every backend disabled the client is reset" grep -q 'ended with a reset' "$DIR/empty.txt"
	check_within 2 "logged as no-backend" has_ended '.service == "empty" and .end == "no-backend"'
}

# once_each: where a SYN goes to one backend: its client hears what that says, or sends another one.
once_each() {
	lab_up 3
	backend_start b2 b3
	config
	service refused "$VIP" id "b1 b2 b3" "passive: off"
	service nobody "$VIP:1001" 9 "b1 b2 b3" "passive: off"
	service silent "$VIP:1003" id "b1 b2" "check: {tcp: true, interval: 300ms, fast_interval: 100ms, timeout: 300ms, fall: 3}" "max_eject: 100%"
	service empty "$VIP:1005" id "b2 b3"
	path_idle_service empty "every backend is disabled"
	start_lb4

	# shellcheck disable=SC2046 # words are meant
	lab short --to "$VIP:${PORT[id]}" $(from_all) --rate 500 --duration 1s >"$DIR/refused.json" || true
	check_number "clients that one of three backends refused" "$(json "$DIR/refused.json" .refused)" '>' 100
	check_equal "clients served or refused" "$(json "$DIR/refused.json" '.ok + .refused')" 500
	check_equal "those served by the others" "$(json "$DIR/refused.json" '.by_backend | keys | join(" ")')" "b2 b3"
	# Refusals beyond so many a second are counted in one line.
	if path_has log; then
		refusals() {
			(($(jq -s '[.[] | select(.end == "connect-failed") | .more // 1] | add' "$DIR/connections.log") == $(json "$DIR/refused.json" .refused)))
		}
		check_within 5 "each refusal is logged" refusals
		check "as a refusal of b1" has_ended '.service == "refused" and .end == "connect-failed" and .tries == 1 and (.error | test("b1: .*refused"))'
	fi
	lab talk "$VIP:1001" end >"$DIR/nobody.txt" 2>&1 || true
	check "nobody left: refused at once" grep -qi refused "$DIR/nobody.txt"

	backend_start b1
	wait_until 5 "b1 is up" backend_is silent b1 '.state == "up"'
	blackhole b1
	for ((i = 0; i < 8; i++)); do
		lab talk --within 9s "$VIP:1003" fill=64 name fin eof >>"$DIR/silent.txt" 2>&1 &
		TALKS[i]=$!
	done
	for pid in "${TALKS[@]}"; do
		finished "$pid" || fail "silent: $(cat "$DIR/silent.txt")"
	done
	ok "clients of a backend that is silent come to the other with a later SYN"
	check_equal "all of them" "$(grep -c '^name b2' "$DIR/silent.txt")" 8
	check "once its checks have found it" backend_is silent b1 '.eligible == false'
	unblackhole b1

	nobody_is_left
	pass
}

path_has retries || once_each
lab_up 3
backend_start b2 b3
# Nobody is taken out here: every connection has to find its way by itself.
FOREVER="passive: off"
config
service refused "$VIP" id "b1 b2 b3" "$FOREVER"
service greets "$VIP" greet "b1 b2 b3" "$FOREVER"
service nobody "$VIP:1001" 9 "b1 b2 b3" "$FOREVER"
service once "$VIP:1002" id "b1 b2" "$FOREVER" "tries: 1"
service silent "$VIP:1003" id "b1 b2" "$FOREVER" "connect_timeout: 300ms"
service budget "$VIP:1004" id "b1 x=10.4.1.2:9 y=10.4.1.2:10" "$FOREVER" "connect_timeout: 1s" "connect_budget: 1500ms"
service empty "$VIP:1005" id "b2 b3"
start_lb4

# shellcheck disable=SC2046 # words are meant
lab short --to "$VIP:${PORT[id]}" $(from_all) --rate 500 --duration 1s >"$DIR/refused.json" || fail "$(cat "$DIR/refused.json")"
check_equal "connections served though one of three backends refuses" "$(json "$DIR/refused.json" .ok)" 500
check_within 5 "the log has them" has_ended '.service == "refused"' 500
check_number "of them with a second try" "$(ended '.service == "refused" and .tries == 2')" '>' 100
check_equal "of them without need for more than two" "$(ended '.service == "refused" and .tries > 2')" 0
lab short --to "$VIP:${PORT[greet]}" --greet --rate 500 --duration 1s >"$DIR/greets.json" || fail "$(cat "$DIR/greets.json")"
check_equal "the same where the server speaks first" "$(json "$DIR/greets.json" .ok)" 500

# A server that dies with connections in its accept queue has exchanged nothing with them.
backend_start b1
kill -STOP "${SERVE_PID[b1]}"
spawn_lab orphans.json short --to "$VIP:${PORT[greet]}" --greet --rate 200 --duration 1s --timeout 8s &
ORPHANS=$!
wait_until 5 "connections wait for the stopped server" backend_is greets b1 '.active >= 40'
backend_kill b1
finished "$ORPHANS" || fail "orphans: $(cat "$DIR/orphans.json")"
check_equal "connections served that a dead server had in its queue" "$(json "$DIR/orphans.json" .ok)" 200
check_number "of them moved on after a reset" \
	"$(ended '.service == "greets" and .tries > 1 and (.error // "" | test("reset"))')" '>=' 40

for ((i = 0; i < 20; i++)); do
	lab talk "$VIP:1001" end >>"$DIR/nobody.txt" 2>&1 || true
	lab talk "$VIP:1002" fin end >>"$DIR/once.txt" 2>&1 || true
done
for service in nobody once; do
	check_within 3 "the log has the 20 of $service" has_ended ".service == \"$service\"" 20
done
check_equal "nobody left: reset, never FIN" "$(grep -c 'ended with a reset' "$DIR/nobody.txt")" 20
check_equal "logged as connect-failed, with three tries" "$(ended '.service == "nobody" and .end == "connect-failed" and .tries == 3')" 20
check_number "with tries: 1, those whose first choice refused" "$(ended '.service == "once" and .end == "connect-failed" and .tries == 1')" '>' 1
check_number "and those whose first choice answered" "$(ended '.service == "once" and .backend == "b2"')" '>' 1

backend_start b1
blackhole b1
for ((i = 0; i < 12; i++)); do
	lab talk --within 3s "$VIP:1003" fill=64 name fin eof >>"$DIR/silent.txt" 2>&1 || fail "silent: $(tail -3 "$DIR/silent.txt")"
done
ok "connections served though one of two backends does not answer"
check_within 3 "the log has them" has_ended '.service == "silent"' 12
check_number "of them after a timeout" "$(ended '.service == "silent" and .tries == 2')" '>' 0
check_equal "each after one connect_timeout" "$(ended '.service == "silent" and .tries == 2 and (.duration_ms < 290 or .duration_ms > 700)')" 0

start=$(now_ms)
lab talk --within 4s "$VIP:1004" end >"$DIR/budget.txt" 2>&1 || fail "$(cat "$DIR/budget.txt")"
check_number "the budget of 1500 ms ends all tries, ms" $(($(now_ms) - start)) '<' 1800
check_number "and not earlier" $(($(now_ms) - start)) '>' 1400
unblackhole b1

nobody_is_left
pass
