#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# What becomes of the connections of a backend that fails its checks while they still work:
# on_down reset, drain or keep.
# Alone: looks at what lives before its time is over.

. "${BASH_SOURCE[0]%/*}/lib.sh"

lab_up 2
backend_start b1 b2
# An ill server closes new connections without the expected greeting and serves old ones.
CHECK='check: {send: "ping", expect: "b", interval: 300ms, fast_interval: 100ms, timeout: 300ms, fall: 2, rise: 2}'
config
service reset "$VIP:1001" echo "b1 b2" "$CHECK" "on_down: reset"
service drain "$VIP:1002" echo "b1 b2" "$CHECK" "on_down: drain" "drain_timeout: 2s"
service waiting "$VIP:1004" greet "b1 b2" "$CHECK" "on_down: reset" "passive: off"
service keep "$VIP:1003" echo "b1 b2" "$CHECK" "on_down: keep" "drain_timeout: 1s"
start_lb4
wait_all_up

for port in 1001 1002 1003; do
	spawn_lab $port.json stream --to "$VIP:$port" --count 30 --duration 100s &
	STREAMS[port]=$!
done
declare -A HAD
for service in reset drain keep; do
	wait_until 3 "streams of $service run" eval "lbctl --json backends $service | jq -e '([.backends[].active] | add) == 30 and all(.backends[]; .active > 2)' >/dev/null"
	HAD[$service]=$(backend_value $service b1 active)
done
backend_ill b1
check_within 2 "the ill backend is taken out" eval "backend_is reset b1 '.eligible == false' && backend_is drain b1 '.eligible == false' && backend_is keep b1 '.eligible == false'"
check_within 1 "reset: its connections end at once" has_ended '.service == "reset" and .end == "backend-down" and .backend == "b1"' "${HAD[reset]}"
check_equal "drain: they live on" "$(backend_value drain b1 active)" "${HAD[drain]}"
check_within 4 "drain: until drain_timeout" has_ended '.service == "drain" and .end == "drain-timeout" and .backend == "b1"' "${HAD[drain]}"
check_equal "keep: they live on beyond that" "$(backend_value keep b1 active)" "${HAD[keep]}"

kill -TERM "${STREAMS[@]}"
for port in 1001 1002 1003; do
	status=0
	finished "${STREAMS[port]}" || status=$?
	check_equal "streams of port $port that broke" "$(json "$DIR/$port.json" .broken)" \
		"$(case $port in 1001) echo "${HAD[reset]}" ;; 1002) echo "${HAD[drain]}" ;; 1003) echo 0 ;; esac)"
done
check_equal "connections of b2 that lb4 ended" "$(ended '.backend == "b2" and .party == "lb4"')" 0
backend_well b1
check_within 3 "the cured backend returns" all_up

if ! path_has retries; then
	pass
fi
# Clients that wait for a server's first word have met nothing of it: they are taken elsewhere.
kill -STOP "${SERVE_PID[b1]}"
spawn_lab waiting.json short --to "$VIP:1004" --greet --rate 200 --duration 250ms --timeout 6s --failures "$DIR/waiting.failures" &
WAITING=$!
wait_until 3 "clients wait for the stopped server" backend_is waiting b1 '.active >= 10'
check_within 3 "the stopped server is taken out" backend_is waiting b1 '.eligible == false'
finished "$WAITING" || fail "$(cat "$DIR/waiting.json")"
check_equal "clients served that waited for the first word of a failed server" "$(json "$DIR/waiting.json" .ok)" 50
kill -CONT "${SERVE_PID[b1]}"
pass
