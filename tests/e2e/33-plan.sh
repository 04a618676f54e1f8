#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# What lbctl plan says is what a reload then does: slots by name in the tables, lb4's own counters,
# clients that come again from the same port, and connections that run meanwhile.
# Later: has streams that are to outlive its steps.

. "${BASH_SOURCE[0]%/*}/lib.sh"

CHECK="check: {tcp: true, interval: 300ms, fast_interval: 100ms}"
CLIENTS=$(by_scale 60 60 400)

lab_up 5
backend_start b1 b2 b3
# describe BACKENDS [LINE…]: the same backends with a check and without.
describe() {
	local backends=$1
	shift
	config
	service checked "$VIP" echo "$backends" "$CHECK" "$@"
	service plain "$VIP" id "$backends" "$@"
}
describe "b1 b2 b3*2"
start_lb4
wait_all_up

spawn_lab stream.json stream --to "$VIP:${PORT[echo]}" --count 40 --duration 180s &
STREAM=$!
wait_until 5 "streams run" running 40 checked

table() {
	lbctl --json table "$1" | jq -r '.slots[]'
}
counter() {
	lbctl --json services "$1" | jq '.services[0].slots_moved'
}
# planned SERVICE FILTER, of the service's plan
planned() {
	jq -r ".services[] | select(.name == \"$1\") | $2" "$DIR/plan.json"
}
differ() {
	paste "$1" "$2" | awk '$1 != $2' | wc -l
}
# Who serves each of the clients, whose port stays the same. They end by reset: nothing of them is
# left that would keep the port.
meet() {
	local i
	: >"$1"
	for ((i = 0; i < CLIENTS; i++)); do
		lab talk --within 5s --from 10.4.0.2 --port $((20000 + i)) "$VIP:${PORT[id]}" \
			fill=64 name rst >"$DIR/talk.txt" 2>&1 || fail "client $i: $(cat "$DIR/talk.txt")"
		sed -nE 's/^name ([^ ]+)$/\1/p' "$DIR/talk.txt" >>"$1"
	done
}

# answer FILE: all of it but connections, which come and go; where those are known that have spoken since
# slots moved, they become more between plan and reload.
answer() {
	local less='del(.connections)'
	[[ ! $(why_not active) ]] || less+=' | del(.backends[].finishing)'
	jq -c "[.changes, .settings, [.services[] | $less]]" "$1"
}

# compare WHAT SERVICE…: the file that describe() has made is planned, made to hold, and judged. The
# server NEW is started once slots have been counted, so that it cannot have passed its check before.
NEW=
compare() {
	local what=$1 s before after active finishing share low high
	shift
	write_config "$DIR/new.yaml"
	lbctl plan "$DIR/new.yaml" >"$DIR/plan.txt" || fail "$what: lbctl plan: $(cat "$DIR/plan.txt")"
	sed 's/^/  | /' "$DIR/plan.txt"
	lbctl --json plan "$DIR/new.yaml" >"$DIR/plan.json"
	lbctl --json plan "$DIR/new.yaml" | cmp - "$DIR/plan.json" || fail "$what: planned twice, two answers"
	for s; do
		table "$s" >"$DIR/$s.before"
	done
	meet "$DIR/met.before"
	before="$(counter checked) $(counter plain)"
	lbctl --json backends checked >"$DIR/backends.json"
	finishing=$(planned checked .connections.finishing)
	active=$(jq --slurpfile p "$DIR/plan.json" '[.backends[]
		| select(.name as $n | $p[0].services[] | select(.name == "checked").backends[]
			| select(.name == $n and .change == "removed")) | .active] | add // 0' "$DIR/backends.json")
	check_equal "$what: connections on what goes" "$finishing" "$active"

	cp "$DIR/new.yaml" "$DIR/lb4.yaml"
	lbctl --json reload >"$DIR/reload.json" || fail "$what: $(cat "$DIR/reload.json")"
	for s; do
		table "$s" >"$DIR/$s.once"
	done
	after="$(counter checked) $(counter plain)"
	lbctl --json backends checked >"$DIR/once.json"
	if jq -e --slurpfile p "$DIR/plan.json" 'all(.backends[]; .name as $n | .eligible == false
		or all($p[0].services[].backends[]; .name != $n or .change != "added"))' "$DIR/once.json" >/dev/null; then
		for s; do
			check_equal "$what: slots of $s that move at once" "$(differ "$DIR/$s.before" "$DIR/$s.once")" \
				"$(planned "$s" .slots.at_once)"
		done
		check_equal "$what: slots that lb4 counts" "$((${after% *} + ${after#* } - ${before% *} - ${before#* }))" \
			"$(jq .changes.slots_moved "$DIR/plan.json")"
	else
		say "$what: the new backend passed its check before anybody could count"
	fi
	[[ ! $NEW ]] || backend_start "$NEW"
	NEW=
	check_equal "$what: what reload answers" "$(answer "$DIR/reload.json")" "$(answer "$DIR/plan.json")"
	wait_all_up
	for s; do
		table "$s" >"$DIR/$s.after"
		check_equal "$what: slots of $s that have moved in the end" \
			"$(differ "$DIR/$s.before" "$DIR/$s.after")" "$(planned "$s" .slots.moved)"
		check_number "$what: … the least possible being" "$(planned "$s" .slots.minimum)" '<=' \
			"$(planned "$s" .slots.moved)"
	done
	# A sample of clients: within five standard deviations.
	meet "$DIR/met.after"
	share=$(planned plain .slots.redirected)
	low=$(awk "BEGIN { print $CLIENTS * $share - 5 * sqrt($CLIENTS * $share * (1 - $share)) }")
	high=$(awk "BEGIN { print $CLIENTS * $share + 5 * sqrt($CLIENTS * $share * (1 - $share)) }")
	[[ $(why_not anew) ]] || check_number "$what: of $CLIENTS clients met another backend (planned share $share)" \
		"$(differ "$DIR/met.before" "$DIR/met.after")" '>=' "$low"
	check_number "$what: and no more than" "$(differ "$DIR/met.before" "$DIR/met.after")" '<=' "$high"
}
# near WHAT PARTS WHOLE: the minimum is that part of the slots, but for rounding.
near() {
	check_number "$1: minimum near $2/$3 of the slots" \
		"$(awk "BEGIN { d = $(planned plain .slots.minimum) - 65537 * $2 / $3; print d < 0 ? -d : d }")" '<=' 4
}

path_has anew || true # said once
describe "b1 b2 b3*2 b4*4"
NEW=b4
compare add checked plain
near add 4 8
describe "b1 b2 b3*2 b4*2"
compare weight checked plain
near weight $((6 * 4 - 4 * 4)) $((8 * 6)) # from 4/8 to 2/6
describe "b1 b3*2 b4*2"
compare remove checked plain
near remove 1 6
check "remove: some streams are on it" test "$(planned checked .connections.finishing)" -gt 0
describe "b1 b3*2 b4*2"
CONFIG=${CONFIG//b4:/other:} # at the same address
compare rename checked plain
near rename 2 5

# One that is down or drained has no clients to lose.
lbctl drain plain b3 >/dev/null
lbctl disable checked b1 >/dev/null
describe "b1 b3*2 b5*2"
NEW=b5
compare "with one drained" checked plain

# Run-time changes are what a plan starts from; a file that forgets them drops them, and says so.
lbctl add checked runtime "10.4.2.2:${PORT[echo]}" --weight 3 >/dev/null
lbctl weight plain b1 7 >/dev/null
wait_all_up
compare "dropping drift" checked plain
check_equal "what the plan drops" "$(jq -c '[.services[] | .name as $s | .backends[] | select(.drift) | [$s, .name, .drift]]' "$DIR/plan.json")" \
	'[["checked","runtime","added"],["plain","b1","changed"]]'

# What a reload refuses, a plan refuses or foretells.
describe "b1"
write_config "$DIR/new.yaml"
check "a plan tells that reload will ask" grep -q 'ask for --force' <(lbctl plan "$DIR/new.yaml")
describe "b1 b3*2 b5*2" "tires: 3"
write_config "$DIR/new.yaml"
status=0
lbctl plan "$DIR/new.yaml" >"$DIR/out.txt" 2>&1 || status=$?
check_equal "a plan of a faulty file" $status 1
check "names line and hint" grep -qE 'new.yaml:[0-9]+:5: unknown key "tires"' "$DIR/out.txt"
check "and what was meant" grep -q 'did you mean "tries"' "$DIR/out.txt"
describe "b1 b3*2 b5*2"
service bad "203.0.113.1:80" echo "b1"
write_config "$DIR/new.yaml"
check_not "a plan of an address that is not this host's" lbctl plan "$DIR/new.yaml" 2>"$DIR/out.txt"
check "says what a reload would" grep -q 'cannot listen on 203.0.113.1:80' "$DIR/out.txt"
check_equal "and no plan was a reload" "$(lbctl --json status | jq .reloads)" 6

kill -TERM "$STREAM" 2>/dev/null || true
finished "$STREAM" || true
wait_until 5 "the streams' ends are logged" has_ended '.service == "checked"' 40
check_equal "connections that lb4 ended" "$(ended '.service == "checked" and (.end | test("backend-down|drain-timeout|backend-reset"))')" 0
pass
