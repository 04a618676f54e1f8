#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# What becomes of the connections of a backend that fails its checks while they still work:
# on_down reset, drain or keep.
# Alone: looks at what lives before its time is over.

. "${BASH_SOURCE[0]%/*}/lib.sh"

lab_up 2
backend_start b1 b2
# An ill server closes new connections without the expected greeting and serves old ones.
# Those of before are known when all have been looked at, which takes two seconds.
KNOWN=1 DRAIN=2s
path_has active || KNOWN=5 DRAIN=7s
CHECK='check: {send: "ping", expect: "b", interval: 300ms, fast_interval: 100ms, timeout: 300ms, fall: 2, rise: 2}'
config
service reset "$VIP:1001" echo "b1 b2" "$CHECK" "on_down: reset"
service drain "$VIP:1002" echo "b1 b2" "$CHECK" "on_down: drain" "drain_timeout: $DRAIN"
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
	wait_until 3 "streams of $service run" running 30 $service
	HAD[$service]=$(begun $service b1)
	check_number "streams of $service on b1" "${HAD[$service]}" '>' 2
	check_number "and on b2" "$(begun $service b2)" '>' 2
done
backend_ill b1
check_within 2 "the ill backend is taken out" eval "backend_is reset b1 '.eligible == false' && backend_is drain b1 '.eligible == false' && backend_is keep b1 '.eligible == false'"
check_log 1 "reset: its connections end at once" '.service == "reset" and .end == "backend-down" and .backend == "b1"' "${HAD[reset]}"
# live SERVICE: all that there were, as soon as they are known.
live() {
	(($(backend_value "$1" b1 active) == HAD[$1]))
}
check_within $KNOWN "drain: they live on" live drain
check_within 8 "drain: until drain_timeout" grep -q 'service drain: .*b1 has drained long enough' "$DIR/lb4.err"
check_log 4 "as is logged" '.service == "drain" and .end == "drain-timeout" and .backend == "b1"' "${HAD[drain]}"
check_within $KNOWN "keep: they live on beyond that" live keep

kill -TERM "${STREAMS[@]}"
for port in 1001 1002 1003; do
	status=0
	finished "${STREAMS[port]}" || status=$?
	check_equal "streams of port $port that broke" "$(json "$DIR/$port.json" .broken)" \
		"$(case $port in 1001) echo "${HAD[reset]}" ;; 1002) echo "${HAD[drain]}" ;; 1003) echo 0 ;; esac)"
done
check_ended "connections of b2 that lb4 ended" '.backend == "b2" and .party == "lb4"' 0
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
