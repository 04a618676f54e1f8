#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# No change breaks a connection. iperf3 streams and paced echoes run while other backends are added,
# removed, weighted, drained and disabled, and while the file is reloaded ten times with changes. No
# stream may end or stand still, and no short connection begun meanwhile may fail.
# Alone: judges how long streams stand still.

. "${BASH_SOURCE[0]%/*}/lib.sh"

SECONDS_LONG=$(patient "$(by_scale 6 8 30)")
STREAMS=$(by_scale 4 16 16) # of each of four iperf3 clients
STALL_MS=${LB4_STALL_MS:-200}
IPERF=5201

lab_up 6
backend_start b1 b2 b3 b4 b5 b6
# More backends, with the same ports.
printf 'address add %s/24 dev lb\n' 10.4.6.3 10.4.6.4 10.4.6.5 | ns_batch b6
ip -n "$(ns b5)" address add 10.4.5.3/24 dev lb

# $1: weight of b5, $2: further backends of iperf and echo, whose ports stand as @, $3: a further setting of echo
describe() {
	config
	service iperf "$VIP" $IPERF "b1 b2 b3 b4 b5*$1 b6 ${2//@/$IPERF}" "hash: source"
	service_each echo "$VIP [$VIP6]" echo "b1 b2 b3 b4 b5*$1 b6 ${2//@/${PORT[echo]}}" "check: {tcp: true, interval: $(patient 500)ms}" "$3"
	service id "$VIP" id "b1 b2 b3 b4 b5*$1 b6" "check: {tcp: true, interval: $(patient 500)ms}"
}

describe 1 "" "tries: 3"
start_lb4
wait_all_up

# Client addresses that lead to b1 … b4, so that what changes are other backends.
declare -A FROM
for ((i = 2; i < 2 + CLIENT_ADDRESSES; i++)); do
	FROM[$(explains iperf "10.4.0.$i:1")]=10.4.0.$i
done

# Servers write what they received in tenths of a second; for b1 and b2 the client does.
for b in b1 b2 b3 b4; do
	[[ ${FROM[$b]:-} ]] || fail "no client address leads to $b"
	spawn_in $b iperf3 -s -1 -J -i 0.1 -p $IPERF >"$DIR/server-$b.json" 2>&1 &
	PIDS+=($!)
	wait_until 5 "iperf3 listens on $b" eval "in_ns $b ss -Hltn 'sport = :$IPERF' | grep . >/dev/null"
done

spawn_lab echoes.json stream --to "$VIP:${PORT[echo]}" --to "[$VIP6]:${PORT[echo]}" --count 120 \
	--duration "$((SECONDS_LONG + 2))s" --interval "$(patient 10)ms" &
ECHOES=$!
beside_start $((SECONDS_LONG + 2)) b1 b2
spawn_lab short.json short --to "$VIP:${PORT[id]}" --rate "$(paced 200)" --duration "${SECONDS_LONG}s" --timeout "$(patient 5)s" --failures "$DIR/failures.json" &
SHORT=$!
IPERFS=()
for b in b1 b2 b3 b4; do
	reverse=
	[[ $b == b[12] ]] && reverse=-R
	# Small writes at a steady pace, so that every tenth of a second has some.
	spawn_in client iperf3 -c $VIP -p $IPERF -B "${FROM[$b]}" -P "$STREAMS" -t "$SECONDS_LONG" \
		-b "$(paced 8)M" -l "$(paced 8)K" -i 0.1 -J $reverse >"$DIR/client-$b.json" 2>&1 &
	IPERFS+=($!)
done
wait_until 10 "all iperf3 streams run" running $((4 * STREAMS + 4)) iperf

# One round of everything that lbctl can do to other backends.
change_others() {
	local line
	while read -r line; do
		# shellcheck disable=SC2086 # words are meant
		lbctl $line >/dev/null || fail "refused in round $rounds: $line"
	done <<-E2
		add iperf extra 10.4.6.3:$IPERF --weight 3
		add echo extra 10.4.6.3:${PORT[echo]} --weight 2
		weight iperf b5 7
		weight echo b5 7
		drain echo b6
		drain iperf b6
		weight echo b5 0
		drain id b5
		disable id b4
		add id extra 10.4.6.3:${PORT[id]} --weight 0
		undrain id b5
		enable id b4
		remove id b6
		undrain echo b6
		disable echo b5
		remove echo extra
		enable echo b5
		remove iperf extra
		remove iperf b5
		remove echo b6
	E2
}

reloads=0 rounds=0 end=$(($(now_ms) + SECONDS_LONG * 1000 - 1500))
while ((reloads < 10 || $(now_ms) < end)); do
	change_others
	rounds=$((rounds + 1))
	if ((reloads < 10)); then
		case $((reloads % 3)) in
		0) describe 5 "new=10.4.6.4:@*2" "tries: 2" ;;
		1) describe 2 "" "half_closed_timeout: 30m" ;;
		2) describe 1 "new=10.4.6.5:@ newer=10.4.5.3:@" "tries: 3" ;;
		esac
		write_config
		lbctl reload >"$DIR/reload.txt" 2>&1 || fail "reload $reloads: $(cat "$DIR/reload.txt")"
		reloads=$((reloads + 1))
	else
		lbctl reload >/dev/null
	fi
done
ok "$reloads reloads with changes and $rounds rounds of changes at run time"
check_equal "reloads counted" "$(($(lbctl --json status | jq .reloads) >= 10))" 1

for pid in "${IPERFS[@]}"; do
	finished "$pid" || true
done
# With --json iperf3 may end with 0 in spite of an error.
check_equal "errors of iperf3" "$(jq -r '.error // empty' "$DIR"/client-*.json "$DIR"/server-*.json)" ""
ok "$((4 * STREAMS)) iperf3 streams of $SECONDS_LONG s all ended well"

stall_limit "$STALL_MS"

# The longest run of tenths without a byte at the receiving end, over all streams, in ms. The first
# and last half second are left out: streams do not begin and end at once.
stalls_ms() {
	jq -s --argjson long "$SECONDS_LONG" '
		[.[] | [.intervals[].streams[] | select(.start > 0.5 and .end < $long - 0.5)]
			| group_by(.socket)[]
			| reduce sort_by(.start)[] as $i ({run: 0, worst: 0};
				.run = (if $i.bytes == 0 then .run + 1 else 0 end)
				| .worst = ([.worst, .run] | max))
			| .worst] | max * 100' "$@"
}
streams_seen() {
	jq -s '[.[].intervals[0].streams | length] | add' "$@"
}
for pid in b3 b4; do
	wait_until 10 "the server of $pid reports" test -s "$DIR/server-$pid.json"
done
RECEIVERS=("$DIR/client-b1.json" "$DIR/client-b2.json" "$DIR/server-b3.json" "$DIR/server-b4.json")
wait_until 10 "all reports are whole" eval 'jq -e .end "${RECEIVERS[@]}" >/dev/null 2>&1'
check_equal "streams judged" "$(streams_seen "${RECEIVERS[@]}")" $((4 * STREAMS))
check_timing "longest silence of an iperf3 stream, ms" "$(stalls_ms "${RECEIVERS[@]}")" '<=' $LIMIT

finished "$SHORT" || fail "short connections: $(cat "$DIR/short.json" "$DIR/failures.json")"
check_equal "short connections that failed meanwhile" "$(json "$DIR/short.json" .failed)" 0
check_number "of how many" "$(json "$DIR/short.json" .ok)" '>=' $((SECONDS_LONG * $(paced 190)))
finished "$ECHOES" || fail "echo streams: $(cat "$DIR/echoes.json" "$DIR/echoes.json.err")"
check_equal "echo streams broken" "$(json "$DIR/echoes.json" .broken)" 0
check_timing "longest wait for an echo, ms" "$(json "$DIR/echoes.json" .longest_gap_ms)" '<=' $LIMIT
check_number "echo streams, also on backends that were drained and removed" \
	"$(json "$DIR/echoes.json" '(.by_backend.b5.count // 0) + (.by_backend.b6.count // 0)')" '>' 0
pass
