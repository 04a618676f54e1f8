#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Health checks judge what they are told to: the handshake, a page's status, bytes, a redis. What the
# last check met is shown. Evidence from clients' connections takes a backend out where no check
# could, and holds it longer each time.

. "${BASH_SOURCE[0]%/*}/lib.sh"

lab_up 2
backend_start b1 b2
TIMES="interval: 300ms, fast_interval: 100ms, timeout: 300ms, rise: 2, fall: 3"
config
service tcp "$VIP:1001" echo "b1 b2" "check: {tcp: true, $TIMES}"
service http "$VIP:1002" http "b1 b2" "check: {http: /healthz, $TIMES}"
service bytes "$VIP:1003" echo "b1 b2" "check: {send: \"ping\", expect: \"b1\", $TIMES}"
service redis "$VIP:1004" 6379 "b1" "check: {redis: true, $TIMES}" "fail: closed"
service unchecked "$VIP:1005" reset "b1 b2*3" "passive: {fall: 3, hold: 1s, hold_max: 4s}" "max_eject: 100%" "fail: closed"
# Servers that accept and say nothing, as one whose process is stopped: whatever is asked of them.
SILENT="mysql memcached amqp smtp redis postgres"
port=1100
for preset in $SILENT; do
	port=$((port + 1))
	service "silent-$preset" "$VIP:$port" deaf b1 "check: {$preset: true, $TIMES}"
done
start_lb4
up() {
	backend_is "$1" "$2" '.state == "up" and .eligible'
}
down() {
	backend_is "$1" "$2" '.state == "down" and .eligible == false'
}
down_though_kept() {
	backend_is "$1" "$2" '.state == "down"'
}
check_within 3 "tcp: b1 is up" up tcp b1
check_within 3 "http: b1 is up" up http b1
check_within 3 "bytes: b1, which answers as expected, is up" up bytes b1
check_within 3 "bytes: b2, which answers otherwise, is down" down bytes b2
check_within 3 "redis: b1, which has none, is down" down redis b1
check_matches "with the last error" "$(backend_value redis b1 last_error)" "refused"
for preset in $SILENT; do
	check_within 3 "$preset: a server that is silent is down" down_though_kept "silent-$preset" b1
	check_error "$preset: because of" "silent-$preset" b1 "no answer within 300ms"
done
check_number "and the latency of good ones, us" "$(backend_value http b1 check_latency_us)" '>' 0

spawn_in b1 redis-server --port 6379 --bind 0.0.0.0 --protected-mode no --save '' --dir "$DIR" >"$DIR/redis.out" 2>&1 &
PIDS+=($!)
check_within 3 "redis: up once it runs" up redis b1
backend_ill b1
check_within 3 "http: an ill page is found" down http b1
check_matches "with its status" "$(backend_value http b1 last_error)" "503"
check "tcp: the same server, which still accepts, is up" up tcp b1
backend_well b1
check_within 3 "http: the cure is found" up http b1

start=$(now_ms)
blackhole b1
check_within 3 "tcp: a blackhole is found" down tcp b1
# The next check is at most 330 ms away, then timeouts of 400 and two intervals of 100 between.
check_timing "within interval and fall × timeout, ms" $(($(now_ms) - start)) '<' 2000
check_matches "as a timeout" "$(backend_value tcp b1 last_error)" "within 300ms"
unblackhole b1
check_within 4 "tcp: the return is found" up tcp b1

# Instant resets are the only evidence here: no check, and every connect succeeds.
for ((i = 0; i < 40; i++)); do
	lab talk --within 1s "$VIP:1005" end >/dev/null 2>&1 || true
done
if path_has evidence; then
	check_within 1 "unchecked: resets took one out" eval 'down unchecked b1 || down unchecked b2'
	check_within 4 "and its hold ends" eval 'backend_is unchecked b1 .eligible && backend_is unchecked b2 .eligible'
else
	check "unchecked: nobody is taken out" eval 'backend_is unchecked b1 .eligible && backend_is unchecked b2 .eligible'
fi
pass
