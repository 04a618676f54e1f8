#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Each limit of a service is hit for real: what the client sees, the counter, the log line. Limits
# hold over all workers, and follow a reload while connections live.
# Alone: judges rates.

. "${BASH_SOURCE[0]%/*}/lib.sh"

lab_up 2
backend_start b1 b2

count() { # SERVICE REASON
	lbctl --json services "$1" | jq ".services[0].ended[\"$2\"]"
}
held() { # SERVICE FIELD
	lbctl --json services "$1" | jq ".services[0].held.$2"
}
refused() { # ADDRESS [FROM]: the client gets RST before a byte
	lab talk --within 3s ${2:+--from "$2"} "$1" reset >/dev/null
}
served() {
	lab talk --within 3s ${2:+--from "$2"} "$1" send=hi name recv=hi fin eof >/dev/null
}
idle() { # FILE COUNT ADDRESS: connections that stay, until hang_up
	spawn_lab "$1" stall --to "$3" --count "$2" idle &
	IDLE=$!
	wait_file 10 "$1"
}
hang_up() {
	kill -TERM "$IDLE"
	finished "$IDLE"
}
is_held() { # SERVICE FIELD NUMBER
	(($(held "$1" "$2") == $3))
}
has_line() { # REASON: one log line at least, with all that is known of the client
	has_ended ".end == \"$1\" and .party == \"lb4\" and .backend == null and .client and .local"
}
reload() {
	lbctl reload >/dev/null || fail "the reload was refused"
}

E=${PORT[echo]}
config "workers: 2"
service access "$VIP [$VIP6]:8001" 8001 "x=10.4.1.2:$E" 'allow: [10.4.0.0/24, "fd04::/64"]' 'deny: [10.4.0.8/29, 10.4.0.10, "fd04::2"]'
service total $VIP 8002 "x=10.4.1.2:$E" "limits: {connections: 5}"
service rate $VIP 8003 "x=10.4.1.2:$E" "limits: {rate: 5}"
service source "$VIP [$VIP6]:8004" 8004 "x=10.4.1.2:$E" "limits: {source: {connections: 3, ipv4: 31}}"
service pace $VIP 8005 "x=10.4.1.2:$E" "limits: {source: {rate: 3}}"
BEFORE=$CONFIG CONFIG=
service backend $VIP 8006 "x=10.4.1.2:$E y=10.4.2.2:$E" "queue: {length: 2, timeout: $(patient 2)s}"
CONFIG=$BEFORE${CONFIG//weight: 1/weight: 1, max_connections: 2}
service free $VIP 8007 "x=10.4.1.2:$E"
start_lb4
wait_all_up

# Who may connect: the longest prefix decides, and who is in neither list may not.
check "an allowed client is served" served $VIP:8001 10.4.0.2
check "a denied prefix within is refused" refused $VIP:8001 10.4.0.11
check "a longer denied one as well" refused $VIP:8001 10.4.0.10
check "its neighbours outside are served" served $VIP:8001 10.4.0.7
check "IPv6 has rules of its own" refused "[$VIP6]:8001" fd04::2
check_equal "counted as denied" "$(count access denied)" 3
check_matches "explain says so" "$(lbctl explain access 10.4.0.11:1000)" 'refused \(denied\)'
check_matches "and who is served" "$(lbctl explain access 10.4.0.7:1000 --local $VIP:8001)" 'backend x'
check_within 3 "and logged" has_line denied

# Connections of the service, over both workers.
idle total.json 5 $VIP:8002
check_within 3 "five connections are held" is_held total connections 5
check "the sixth is refused" refused $VIP:8002
check_equal "counted" "$(count total service-limit)" 1
check_within 3 "and logged" has_line service-limit
hang_up
check_within 3 "when they have ended none is held" is_held total connections 0
check "and clients are served again" served $VIP:8002

# New connections a second: a second's worth at once, then so many a second.
for _ in 1 2 3 4 5; do served $VIP:8003 || fail "one of the first five was refused"; done
lab short --to $VIP:8003 --rate 100 --duration 2s >"$DIR/rate.json" || true
check_number "of 200 within two seconds were served" "$(json "$DIR/rate.json" .ok)" '<=' 16
check_number "at least" "$(json "$DIR/rate.json" .ok)" '>=' 8
check_equal "and the others counted" "$(count rate service-rate)" $((200 - $(json "$DIR/rate.json" .ok)))
check_within 3 "and logged" has_line service-rate
check_within 5 "how many had no line is told" has_ended '.end == "service-rate" and .more > 0'
check_equal "lines and what they leave out are all of them" \
	"$(jq -s 'map(select(.end == "service-rate") | .more // 1) | add' "$DIR/connections.log")" "$(count rate service-rate)"

# Connections of one source, of a mask, over both workers; others are not touched.
idle source.json 3 $VIP:8004
FIRST=$IDLE
check_within 3 "three connections of a source" is_held source connections 3
check "the fourth is refused" refused $VIP:8004 10.4.0.2
check "so is one of the same /31" refused $VIP:8004 10.4.0.3
check "one of another is served" served $VIP:8004 10.4.0.4
check_equal "counted" "$(count source source-limit)" 2
check_within 3 "and logged" has_line source-limit
check_equal "lbctl tells the source" "$(lbctl --json sources source | jq -c '.sources[0]')" '{"source":"10.4.0.2/31","connections":3}'
check_matches "in words as well" "$(lbctl sources source)" '10\.4\.0\.2/31 +3'

# A reload that raises the limit counts those that are there; without it, and back again.
CONFIG=${CONFIG/source: \{connections: 3, ipv4: 31\}/source: \{connections: 4, ipv4: 31\}}
write_config
reload
check "with a higher limit a fourth is served" served $VIP:8004 10.4.0.2
WITH=$CONFIG
CONFIG=${CONFIG/limits: \{source: \{connections: 4, ipv4: 31\}\}/limits: \{rate: 1000\}}
write_config
reload
idle more.json 5 $VIP:8004
check_within 3 "without a limit, five more" is_held source connections 8
CONFIG=${WITH/connections: 4, ipv4: 31/connections: 3, ipv4: 31}
write_config
reload
check "with a limit again, those of before count" refused $VIP:8004 10.4.0.2
hang_up
check "those of the time without do not, when they end" refused $VIP:8004 10.4.0.2
IDLE=$FIRST
hang_up
check_within 5 "when all have ended the table is empty" is_held source sources 0

# IPv6 sources are a /64.
idle six.json 3 "[$VIP6]:8004"
ip -n "$(ns client)" address add fd04::99/64 dev lb nodad
check "another address of the same /64 is refused" refused "[$VIP6]:8004" fd04::99
hang_up

# The pace of one source.
lab short --to $VIP:8005 --rate 50 --duration 1s --from 10.4.0.2 >"$DIR/pace.json" || true
check_number "of 50 in a second were served" "$(json "$DIR/pace.json" .ok)" '<=' 7
check "another source is served meanwhile" served $VIP:8005 10.4.0.3
check_number "counted" "$(count pace source-rate)" '>=' 43
check_within 3 "and logged" has_line source-rate

# Full backends: spilled to the next, then queued, then refused.
idle full.json 4 $VIP:8006
check_within 3 "both backends are full" eval '[[ $(lbctl --json backends backend | jq -c "[.backends[].in_use]") == "[2,2]" ]]'
start=$(now_ms)
spawn_lab waits.json stall --to $VIP:8006 --count 2 idle &
WAITS=$!
check_within 3 "two wait" is_held backend queued 2
check_equal "and are told from those that connect" \
	"$(lbctl --json connections backend | jq '[.connections[] | select(.state == "queued")] | length')" 2
check_equal "backends that are full say so" "$(lbctl backends backend | grep -c 'full: max_connections 2')" 2
check "the next is refused" refused $VIP:8006
check_equal "counted" "$(count backend queue-full)" 1
check_within 3 "and logged" has_line queue-full
timed_out() { (($(count backend queue-timeout) == 2)); }
check_within 5 "those that wait are refused after the queue's timeout" timed_out
check_number "not before, ms" $(($(now_ms) - start)) '>=' "$(patient 2000)"
check_within 3 "and logged" has_line queue-timeout
kill -TERM $WAITS
finished $WAITS || true
lab talk --within 3s $VIP:8006 send=hi name recv=hi fin eof >"$DIR/waiter" 2>&1 &
WAITER=$!
check_within 3 "another waits" is_held backend queued 1
hang_up
finished $WAITER || fail "it was not served: $(cat "$DIR/waiter")"
ok "and is served when there is room"
check_within 3 "nothing is held" is_held backend connections 0

check "a service without limits has not noticed" served $VIP:8007
check_equal "connections that lb4 refused there" "$(lbctl --json services free | jq '[.services[0].ended | to_entries[] | select(.key != "done") | .value] | add')" 0
pass
