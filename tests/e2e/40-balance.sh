#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# The choices that do not hash, with real connections: shares by weight, in turn, by load; what lbctl
# says of them; and the next candidate of the same choice when one refuses.

. "${BASH_SOURCE[0]%/*}/lib.sh"

path_idle "only the splicer chooses without a hash"

N=$(by_scale 300 600 3000)
CHECK="check: {tcp: true, interval: 300ms, fast_interval: 100ms, timeout: 300ms}"
WORKERS=2

lab_up 4
backend_start b1 b2 b3 b4
config "workers: $WORKERS"
service turn "$VIP:1001" id "b1 b2 b3*3" "$CHECK" "balance: round-robin"
service two "$VIP:1002" id "b1 b2 b3*3" "$CHECK" "balance: two-choices"
service least "$VIP:1003" echo "b1 b2 b3*2" "$CHECK" "balance: least-connections"
service flaky "$VIP:1004" id "b1 b2 b4" "balance: round-robin" "passive: off" "fail: open"
start_lb4
wait_all_up

# met FILE BACKEND
met() {
	json "$DIR/$1" ".by_backend.$2.count // 0"
}
# short_to PORT FILE
short_to() {
	lab short --to "$VIP:$1" --rate 300 --duration $((N * 10 / 3))ms >"$DIR/$2" || fail "$(cat "$DIR/$2")"
	check_equal "failures" "$(json "$DIR/$2" .failed)" 0
}

# Each worker's turns are exact to a turn or two.
short_to 1001 turn.json
total=$(json "$DIR/turn.json" '[.by_backend[].count] | add')
check_number "connections in turn" "$total" '>=' $((N * 9 / 10))
for b in b1 b2 b3; do
	weight=1
	[[ $b != b3 ]] || weight=3
	check_number "$b, weight $weight of 5, is off its share by" \
		$(($(met turn.json $b) * 5 - total * weight)) '<=' $((10 * WORKERS))
	check_number "and not below it" \
		$(($(met turn.json $b) * 5 - total * weight)) '>=' $((-10 * WORKERS))
done
check_equal "explain names whose turn it is, for each worker" \
	"$(lbctl --json explain turn 10.4.0.2:1 | jq '.next | length')" $WORKERS
check_matches "and to people" "$(lbctl explain turn 10.4.0.2:1)" 'next in turn, by worker: b[123], b[123]'

short_to 1002 two.json
total=$(json "$DIR/two.json" '[.by_backend[].count] | add')
check_number "two-choices: the heavy one of weight 3 of 5" "$(met two.json b3)" '>' $((total / 2))
for b in b1 b2; do
	check_number "two-choices: $b of weight 1" "$(met two.json $b)" '>' $((total / 10))
done

# Streams stay: loads fill up by weight.
in_use() {
	backend_value least "$1" in_use
}
spawn_lab first.json stream --to "$VIP:1003" --count 40 --duration 8s --interval 100ms &
FIRST=$!
wait_until 5 "all streams are there" eval '(($(in_use b1) + $(in_use b2) + $(in_use b3) == 40))'
for b in b1 b2; do
	check_number "least-connections: streams of 40 on $b" "$(in_use $b)" '>=' 9
	check_number "and at most" "$(in_use $b)" '<=' 11
done
check_number "least-connections: on b3 of twice the weight" "$(in_use b3)" '>=' 18

# Around a loaded backend: b1 alone takes ten more, then whoever comes goes to the others.
lbctl disable least b2 >/dev/null
lbctl disable least b3 >/dev/null
spawn_lab second.json stream --to "$VIP:1003" --count 20 --duration 6s --interval 100ms &
SECOND=$!
wait_until 5 "b1 is loaded" eval '(($(in_use b1) >= 29))'
lbctl enable least b2 >/dev/null
lbctl enable least b3 >/dev/null
check_matches "explain lists b1 last, with its load" \
	"$(lbctl --json explain least 10.4.0.2:1 | jq -r '.candidates | last | "\(.name) \(.in_use)"')" '^b1 (29|3[01])$'
lab stream --to "$VIP:1003" --count 24 --duration 500ms --interval 50ms >"$DIR/third.json" ||
	fail "$(cat "$DIR/third.json")"
check_equal "connections that met the loaded backend" "$(met third.json b1)" 0
check_number "b3 took the most of them" "$(met third.json b3)" '>=' 14
finished $FIRST || fail "$(cat "$DIR/first.json" "$DIR/first.json.err")"
finished $SECOND || fail "$(cat "$DIR/second.json" "$DIR/second.json.err")"
check_within 3 "every load is given back" eval '(($(in_use b1) + $(in_use b2) + $(in_use b3) == 0))'

# A refusal goes to the next in turn: nobody fails, and the others share.
backend_kill b4
short_to 1004 flaky.json
total=$(json "$DIR/flaky.json" '[.by_backend[].count] | add')
check_number "half of the connections, with a third of the backends refusing" \
	"$(met flaky.json b1)" '>' $((total * 2 / 5))
check_number "and the other half" "$(met flaky.json b2)" '>' $((total * 2 / 5))

status=0
lbctl table two >"$DIR/table.txt" 2>&1 || status=$?
check_equal "there is no table to show" $status 1
check "which lbctl says" grep -q 'balances by two-choices: it has no table' "$DIR/table.txt"
check_matches "services tell how they balance" "$(lbctl services)" 'two .* two-choices '

# Another choice by reload: streams go on.
spawn_lab change.json stream --to "$VIP:1003" --count 20 --duration 2s &
CHANGE=$!
wait_until 3 "streams run" eval '(($(in_use b1) + $(in_use b2) + $(in_use b3) == 20))'
for balance in round-robin maglev two-choices least-connections; do
	sed -i "/ least:/,/ flaky:/s/balance: .*/balance: $balance/" "$DIR/lb4.yaml"
	lbctl reload >/dev/null || fail "a reload to $balance"
	check_equal "the service balances by" "$(lbctl --json services least | jq -r '.services[0].balance')" $balance
	lab stream --to "$VIP:1003" --count 8 --duration 100ms >"$DIR/by.json" || fail "$balance: $(cat "$DIR/by.json")"
done
finished $CHANGE || fail "a stream broke: $(cat "$DIR/change.json" "$DIR/change.json.err")"
ok "no stream broke over four changes of the choice"
pass
