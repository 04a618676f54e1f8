#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Under short connections at a high rate one backend is killed and another blackholed. Nobody who had
# not yet exchanged a byte with a dead backend may see a failure; both are taken out in time, by
# passive evidence, and both return.
# Alone: opens thousands of connections a second.

. "${BASH_SOURCE[0]%/*}/lib.sh"

RATE=${LB4_RATE:-$(by_scale 1000 2000 2000)}
FOR=$(by_scale 8 9 20)

lab_up 4
backend_start b1 b2 b3 b4
config
service short "$VIP" id "b1 b2 b3 b4" \
	"check: {tcp: true, interval: 500ms, fast_interval: 200ms, timeout: 300ms, rise: 2, fall: 3}" \
	"passive: {fall: 3, hold: 1s}" "connect_timeout: 400ms"
start_lb4
wait_all_up

# shellcheck disable=SC2046 # words are meant
spawn_lab short.json short --to "$VIP:${PORT[id]}" $(from_all) --rate "$RATE" --duration "${FOR}s" \
	--timeout 5s --failures "$DIR/failures.json" &
SHORT=$!
served() {
	(($(backend_value short "$1" connections) > RATE / 8))
}
wait_until 5 "connections flow" served b1

out() {
	backend_is short "$1" '.eligible == false'
}
back() {
	backend_is short "$1" '.eligible'
}

backend_kill b1
# Three refused connects at $RATE a second take milliseconds; the rest is polling, and a busy machine.
check_within 1 "the killed backend is taken out at once" out b1
OUT_WITHIN=4 # three checks
if path_has evidence; then
	check "by passive evidence" grep -q 'backend b1 is down: passive' "$DIR/lb4.err"
	OUT_WITHIN=2
else
	check "by its checks" grep -q 'backend b1 is down: check' "$DIR/lb4.err"
fi
blackhole b2
check_within $OUT_WITHIN "the blackholed one is taken out" out b2
say "$(lbctl backends short | sed 's/^/| /' | tr '\n' '~' | sed 's/~/\n  /g')"
backend_start b1
check_within 5 "the killed backend returns" back b1
unblackhole b2
check_within 5 "the blackholed backend returns" back b2
is_dead "$SHORT" && fail "the load was over before the backends had returned: nothing is shown"

status=0
finished "$SHORT" || status=$?
((status < 2)) || fail "the load could not be made: $(cat "$DIR/short.json.err")"
say "$(cat "$DIR/short.json")"
check_equal "connections that could not be started" "$(json "$DIR/short.json" .not_started)" 0
CLASSES=(refused unreachable reset_before slow_connect)
if ! path_has retries; then
	# A client whose backend refuses or resets is refused or reset, until that is taken out.
	CLASSES=(unreachable)
	check_number "refused until then" "$(json "$DIR/short.json" .refused)" '<' $((RATE / 2))
fi
for class in "${CLASSES[@]}"; do
	check_equal "$class" "$(json "$DIR/short.json" ".$class")" 0
done

# judge_innocent: whoever failed later must be found in lb4's log, with bytes sent to a backend that died.
judge_innocent() {
	wait_until 10 "all connections have ended" eval \
		"lbctl --json services | jq -e '.services[0].active == 0' >/dev/null"
	jq -rn --slurpfile failures "$DIR/failures.json" '
		(reduce (inputs | select(.bytes_in > 0 and (.backend == "b1" or .backend == "b2"))) as $c
			({}; .[$c.client] = true)) as $met
		| $failures[] | select($met[.client] | not) | "\(.client) \(.class)"' \
		"$DIR/connections.log" >"$DIR/innocent.txt"
	check_equal "failures of connections that had not exchanged a byte with a dead backend" \
		"$(wc -l <"$DIR/innocent.txt")" 0
}
! path_has retries || judge_innocent
check_number "failures of those that had" "$(json "$DIR/short.json" '.failed - .refused')" '<' $((RATE / 10))

lab short --to "$VIP:${PORT[id]}" --rate 1000 --duration 1s >"$DIR/after.json" || fail "after the return: $(cat "$DIR/after.json")"
for b in b1 b2 b3 b4; do
	check_number "$b serves again" "$(json "$DIR/after.json" ".by_backend.$b.count // 0")" '>' 100
done
pass
