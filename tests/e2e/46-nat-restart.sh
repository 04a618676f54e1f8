#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# nat and dsr go on without lb4: after SIGKILL established flows and new ones, after an orderly stop the established ones; the
# next start takes them over, each with its backend, its limits and its counters.

. "${BASH_SOURCE[0]%/*}/lib.sh"

DSR=dsr-ipip # or dsr-l2, beside nat
path_is nat dsr-ipip dsr-l2
PATH_OWN=1
[[ $FORWARD != dsr-* ]] || DSR=$FORWARD
FORWARD=nat
AWAY=${LB4_AWAY:-$(by_scale 1 1 60)} # seconds that lb4 is dead
CHECK="check: {tcp: true, interval: $(patient 300)ms, fast_interval: $(patient 100)ms, timeout: $(patient 300)ms}"

. "$E2E/lib/pins.sh"
pins_up

fast() {
	lbctl --json fastpath | jq -r ".fastpath | $1"
}
active() {
	lbctl --json services | jq ".services[] | select(.name == \"$1\") | .active"
}

lab_up 3
dsr_up 3
backend_start b1 b2 b3
config "interfaces: $(at_hook to-client to-b1 to-b2 to-b3)" "fastpath: {pins: $PINS}"
service echo "$VIP" echo "b1 b2 b3" "$CHECK"
service echo6 "[$VIP6]" echo "b1@6 b2@6 b3@6" "$CHECK"
service id "$VIP" id "b1 b2 b3" "$CHECK"
service direct "$VIP2" echo "b1 b2 b3" "$CHECK" "forward: $DSR"
service idle "$VIP:1002" echo b1 "idle_timeout: 4s"
start_lb4
wait_all_up
spawn_lab stream.json stream --to "$VIP:${PORT[echo]}" --to "[$VIP6]:${PORT[echo]}" --count 60 --duration "$((AWAY + $(patient 100)))s" --interval "$(patient 20)ms" &
STREAM=$!
spawn_lab direct.json stream --to "$VIP2:${PORT[echo]}" --count 30 --duration "$((AWAY + $(patient 100)))s" --interval "$(patient 20)ms" &
DIRECT=$!
spawn_lab idle.txt talk --within "$((AWAY + $(patient 20)))s" "$VIP:1002" send=hi name recv=hi end &
IDLE=$!
wait_until 3 "streams run" eval '(($(active echo) + $(active echo6) == 60))'
before=$(fast .packets.forwarded)

lb4_kill
lab short --to "$VIP:${PORT[id]}" --rate $((300 / AWAY)) --duration "${AWAY}s" >"$DIR/short.json" || fail "$(cat "$DIR/short.json")"
check_equal "connections served in $AWAY s while lb4 was dead" "$(json "$DIR/short.json" .ok)" 300
lab short --to "$VIP2:${PORT[echo]}" --rate 100 --duration 300ms >"$DIR/short.json" || fail "$(cat "$DIR/short.json")"
check_equal "and of dsr" "$(json "$DIR/short.json" .ok)" 30
start_lb4
check "the next start says so" grep -q 'the fast path of an earlier start is taken over' "$DIR/lb4.err"
check_within 3 "it knows the flows that there were" eval '(($(active echo) + $(active echo6) == 60))'
check_within 3 "it tells of those that ended meanwhile" has_ended '.service == "id" and .end == "done" and .path == "nat" and .bytes_in > 0' 300
check_number "its counters go on" "$(fast .packets.forwarded)" '>' "$before"
lab short --to "$VIP:${PORT[id]}" --rate 300 --duration 500ms >"$DIR/short.json" || fail "$(cat "$DIR/short.json")"
check_equal "connections that workers saw" "$(ended '.service == "id" and .path != "nat"')" 0
check_within 10 "limits hold for flows of the earlier start" is_dead "$IDLE"
check "an idle one is reset" grep -q 'ended with a reset' "$DIR/idle.txt"

# Another order of services and backends, one backend less, another table: who has a flow keeps it.
stop_lb4
check_not "after an orderly stop no new connection is taken" lab talk --within 2s "$VIP:${PORT[id]}" "recv=b"
config "interfaces: $(at_hook to-b3 to-b2 to-b1 to-client)" "fastpath: {pins: $PINS, nat_ports: 30000-39999}"
service id "$VIP" id "b3 b1" "$CHECK"
service echo "$VIP" echo "b3 b1" "$CHECK" "table_size: 16381" "on_down: reset"
service echo6 "[$VIP6]" echo "b3@6 b2@6 b1@6" "$CHECK"
service direct "$VIP2" echo "b3 b1" "$CHECK" "forward: $DSR"
start_lb4
wait_all_up
lab short --to "$VIP:${PORT[id]}" --rate 300 --duration 500ms >"$DIR/short.json" || fail "$(cat "$DIR/short.json")"
check_equal "backends of new connections" "$(json "$DIR/short.json" '.by_backend | keys | sort | join(" ")')" "b1 b3"
check_number "flows that were taken over, of backends that are still there" "$(($(active echo) + $(active echo6)))" '>' 40
lbctl add echo b2 "$(backend_ip b2):${PORT[echo]}" >/dev/null
wait_all_up
check_equal "flows that are reset because their backend is new again, and not checked yet" "$(ended '.end == "backend-down"')" 0
kill -TERM "$STREAM"
finished "$STREAM" || fail "a stream broke: $(cat "$DIR/stream.json" "$DIR/stream.json.err")"
ok "60 flows lived through a kill, a stop and two starts"
kill -TERM "$DIRECT"
finished "$DIRECT" || fail "a stream of dsr broke: $(cat "$DIR/direct.json" "$DIR/direct.json.err")"
check_equal "streams of dsr that workers saw" "$(ended '.service == "direct"')" 0
ok "and so did 30 connections of dsr, though their backend is no longer in the file"

# A second lb4 does not take what the first has; one whose file names no interfaces lets go of what it had.
stop_lb4
check_equal "programs that stay attached" "$(ls "$PINS" | grep -cE '^(link|clsact)-')" 4
[[ $HOOK != xdp ]] || check_equal "of them, in drivers" "$(ls "$PINS" | grep -c '^xdp-')" 4
CONFIG=$(sed '/^interfaces:/d' <<<"$CONFIG")
CONFIG=${CONFIG//forward: nat/forward: splice}
CONFIG=${CONFIG//forward: $DSR/forward: splice}
start_lb4
check_equal "without interfaces, pins that are left" "$(ls "$PINS" | wc -l)" 0
check_not "and nothing in drivers" eval 'ip -n "$(ns lb)" link | grep xdp >/dev/null'
check_not "nor as filters" eval 'for i in $(interfaces); do in_ns lb tc filter show dev "$i" ingress; done | grep lb4_tc >/dev/null'
lab short --to "$VIP:${PORT[id]}" --rate 300 --duration 500ms >"$DIR/short.json" || fail "$(cat "$DIR/short.json")"
wait_until 3 "these are logged" has_ended '.service == "id" and .path != "nat"' 150
ok "connections are accepted by workers then"
pass
