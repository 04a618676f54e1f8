#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Clients that never read and servers that never read cost lb4 a bounded amount of memory, and nobody
# else notices. An lb4 with nothing to do uses no CPU.
# Alone: judges CPU and memory.

. "${BASH_SOURCE[0]%/*}/lib.sh"

COUNT=$(by_scale 100 300 1000) # of each sort
PER_CONNECTION_KB=${LB4_STALL_KB:-192}

lab_up 2
backend_start b1 b2
config
service source "$VIP" source "b1 b2"
service deaf "$VIP" deaf "b1 b2"
service echo "$VIP" echo "b1 b2" "check: {tcp: true, interval: 2s}"
service id "$VIP" id "b1 b2"
start_lb4
wait_all_up

# A round of everything first, so that what is measured is growth.
lab short --to "$VIP:${PORT[id]}" --rate 1000 --duration 1s >"$DIR/warm.json" || fail "$(cat "$DIR/warm.json")"
lab stream --to "$VIP:${PORT[echo]}" --count 100 --duration 1s >"$DIR/quiet.json" || fail "$(cat "$DIR/quiet.json")"
say "alone: short connections p99 $(json "$DIR/warm.json" .p99_us) us, longest echo $(json "$DIR/quiet.json" .longest_gap_ms) ms"
before=$(memory_kb)

spawn_lab pull.json stall --to "$VIP:${PORT[source]}" --count "$COUNT" pull &
PULL=$!
spawn_lab push.json stall --to "$VIP:${PORT[deaf]}" --count "$COUNT" push &
PUSH=$!
wait_file 30 pull.json
wait_file 30 push.json
check_equal "clients that never read, connected" "$(json "$DIR/pull.json" .connected)" "$COUNT"
check_equal "clients of servers that never read, connected" "$(json "$DIR/push.json" .connected)" "$COUNT"
during=$(memory_kb)
check_number "memory of lb4 with $((2 * COUNT)) stalled connections, kB each (before: $before kB, now: $during kB)" \
	"$(awk "BEGIN { printf \"%.1f\", ($during - $before) / (2 * $COUNT) }")" '<=' "$PER_CONNECTION_KB"

ticks=$(cpu_ticks) start=$(now_ms)
wait_until 5 "two seconds pass" eval "((\$(now_ms) - $start >= 2000))"
check_number "CPU with $((2 * COUNT)) stalled connections, in hundredths of a second over 2 s" $(($(cpu_ticks) - ticks)) '<=' 2

beside_start 4 b1 b2
lab short --to "$VIP:${PORT[id]}" --rate 1000 --duration 2s >"$DIR/short.json" || fail "others: $(cat "$DIR/short.json")"
lab stream --to "$VIP:${PORT[echo]}" --count 100 --duration 2s >"$DIR/stream.json" || fail "others: $(cat "$DIR/stream.json")"
stall_limit 100
check_timing "others' short connections, p99 in us" "$(json "$DIR/short.json" .p99_us)" '<=' $((LIMIT * 1000))
check_timing "others' longest wait for an echo, ms" "$(json "$DIR/stream.json" .longest_gap_ms)" '<=' $LIMIT
later=$(memory_kb)
check_number "growth since, kB" $((later - during)) '<' 4096

kill -TERM "$PULL" "$PUSH"
finished "$PULL"
finished "$PUSH"
check_equal "stalled connections that had ended by themselves" "$(tail -qn 1 "$DIR/pull.json" "$DIR/push.json" | jq -s 'map(.ended) | add')" 0
check_within 10 "lb4 lets go of all" eval "lbctl --json services | jq -e '[.services[].active] | add == 0' >/dev/null"

spawn_lab idle.json stall --to "$VIP:${PORT[id]}" --count 200 idle &
wait_file 10 idle.json
ticks=$(cpu_ticks) start=$(now_ms)
wait_until 5 "three seconds pass" eval "((\$(now_ms) - $start >= 3000))"
check_number "CPU with 200 idle connections and health checks, in hundredths of a second over 3 s" $(($(cpu_ticks) - ticks)) '<=' 2
pass
