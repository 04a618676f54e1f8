#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# One source opens as many connections as the machine gives, up to 50,000 a second, and goes beyond
# its limit: others are served as before, and neither the log nor the memory grows with the flood.
# Alone: opens as many connections as it can.

. "${BASH_SOURCE[0]%/*}/lib.sh"

path_idle "limits of sources are kept by the splicer"

RATE=50000
SECONDS_LONG=$(by_scale 3 5 10)

lab_up 1
backend_start b1
config "workers: 2"
service open $VIP 8001 "x=10.4.1.2:${PORT[id]}" "limits: {source: {rate: 100, connections: 100}}"
service shut $VIP 8002 "x=10.4.1.2:${PORT[id]}" "deny: 10.4.0.2"
start_lb4
wait_all_up

count() { # SERVICE REASON
	lbctl --json services "$1" | jq ".services[0].ended[\"$2\"]"
}

# flood PORT REASON
flood() {
	local ticks memory lines flooded refused
	ticks=$(cpu_ticks) memory=$(memory_kb) lines=$(ended true)
	spawn_lab "flood-$1.json" short --to $VIP:$1 --rate $RATE --duration "${SECONDS_LONG}s" --from 10.4.0.2 &
	FLOOD=$!
	spawn_lab "others-$1.json" short --to $VIP:$1 --rate 50 --duration "${SECONDS_LONG}s" --from 10.4.0.3 --timeout 10s &
	OTHERS=$!
	finished $OTHERS || fail "another client was harmed: $(cat "$DIR/others-$1.json")"
	finished $FLOOD || true
	check_equal "connections of another client, all served" "$(json "$DIR/others-$1.json" .ok)" "$(json "$DIR/others-$1.json" .started)"
	refused=$(count "$3" "$2")
	flooded=$((refused / SECONDS_LONG))
	say "refused as $2: $refused, $flooded a second; CPU of lb4 $((($(cpu_ticks) - ticks) * 10000 / refused)) µs each"
	check_number "connections of the flood that were refused" "$refused" '>' 1000
	check_timing "a second" "$flooded" '>=' 2000
	all_told() { (($(jq -s "map(select(.end == \"$2\") | .more // 1) | add // 0" "$DIR/connections.log") == $(count "$3" "$2"))); }
	check_within 5 "the log accounts for every one of them" all_told "$@"
	check_number "in lines" "$(ended ".end == \"$2\"")" '<=' $((2 * 11 * (SECONDS_LONG + 12)))
	check_number "memory that lb4 needed more, KiB" $(($(memory_kb) - memory)) '<' 20000
}

flood 8001 source-rate open
flood 8002 denied shut
check_equal "accepting never paused" "$(lbctl --json status | jq .trouble.accept_pauses)" 0
pass
