#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Bulk is spliced and small exchanges are copied, as the service says; pipes are bounded, and nobody
# waits for one. Who does not read costs no CPU, not even one that has said FIN.
# Alone: judges CPU, and moves as much as it can.

. "${BASH_SOURCE[0]%/*}/lib.sh"

path_is splice

RELAY='' # what is under test is set here

relay_of() {
	lbctl --json connections "$1" | jq -r '[.connections[] | select(.state != "ending") | .relay] | unique | join(" ")'
}

relays_by() {
	[[ $(relay_of "$1") == "$2" ]]
}

count_of() {
	lbctl --json services | jq ".services[] | select(.name == \"$1\") | .$2"
}

pipes_used() {
	lbctl --json status | jq .pipes.used
}

lab_up 1
backend_start b1
spawn_in b1 iperf3 -s >"$DIR/iperf3-server.txt" 2>&1 &
PIDS+=($!)
config "max_pipes: 4" "workers: 1"
service bulk "$VIP:5201" 5201 b1
service copied "$VIP:5202" 5201 b1 "splice: off"
service echo "$VIP" echo b1
service source "$VIP" source b1
service open "$VIP" open b1
start_lb4
check_equal "pipes there may be" "$(lbctl --json status | jq .pipes.limit)" 4

# Both ways, on the whole of a connection's life.
for way in "" -R; do
	spawn_in client iperf3 -c "$VIP" -p 5201 -P 4 -t 30 $way >"$DIR/bulk$way.txt" 2>&1 &
	BULK=$!
	PIDS+=($!)
	check_within 10 "bulk${way:+ in reverse} is spliced" eval "[[ \$(relay_of bulk) == *splice* ]]"
	before=$(count_of bulk bytes_spliced)
	check_within 10 "… and counted" eval "((\$(count_of bulk bytes_spliced) > $before + 100000000))"
	check_within 5 "nobody who reads keeps a pipe" eval '(($(pipes_used) <= 1))'
	kill -TERM "$BULK"
	finished "$BULK" || true
	check_within 10 "its connections end" eval "((\$(count_of bulk active) == 0))"
done
check_number "bytes that were copied before" "$(lbctl --json services |
	jq '.services[] | select(.name == "bulk") | .bytes_in + .bytes_out - .bytes_spliced')" '>' 0
check_equal "changes that went on for no reason" "$(($(count_of bulk relay_changes) <= 40))" 1

client timeout 30 iperf3 -c "$VIP" -p 5202 -P 2 -n 200M >"$DIR/copied.txt" 2>&1 || fail "$(cat "$DIR/copied.txt")"
check_equal "with splice: off, bytes spliced" "$(count_of copied bytes_spliced)" 0

lab stream --to "$VIP:${PORT[echo]}" --count 20 --size 1000 --duration 1s >"$DIR/echo.json" || fail "$(cat "$DIR/echo.json")"
check_equal "small exchanges, bytes spliced" "$(count_of echo bytes_spliced)" 0

# Those who do not read hold all pipes; bulk of others is copied, and loses nothing.
spawn_lab pull.json stall --to "$VIP:${PORT[source]}" --count 20 pull &
PULL=$!
wait_file 30 pull.json
check_within 10 "those who do not read hold all pipes" eval "((\$(pipes_used) == 4))"
ticks=$(cpu_ticks) start=$(now_ms)
wait_until 5 "two seconds pass" eval "((\$(now_ms) - $start >= 2000))"
check_number "CPU meanwhile, in hundredths of a second over 2 s" $(($(cpu_ticks) - ticks)) '<=' 2
spliced=$(count_of bulk bytes_spliced)
client timeout 30 iperf3 -c "$VIP" -p 5201 -P 2 -n 200M >"$DIR/none-left.txt" 2>&1 || fail "$(cat "$DIR/none-left.txt")"
check_equal "bytes spliced without a pipe" "$(($(count_of bulk bytes_spliced) - spliced))" 0
check_number "told as pipe_shortages" "$(lbctl --json status | jq .trouble.pipe_shortages)" '>' 0
check_matches "… and lbctl status says so" "$(lbctl status)" "pipe_shortages"
kill -TERM "$PULL"
finished "$PULL"
check_within 10 "their pipes are free again" eval "((\$(pipes_used) == 0))"
client timeout 30 iperf3 -c "$VIP" -p 5201 -P 2 -n 200M >"$DIR/again.txt" 2>&1 || fail "$(cat "$DIR/again.txt")"
check_number "bytes spliced again" "$(($(count_of bulk bytes_spliced) - spliced))" '>' 100000000

# A reload changes it for connections that begin.
sed -i 's/splice: off/splice: 1M/' "$DIR/lb4.yaml"
lbctl reload >"$DIR/reload.txt"
client timeout 30 iperf3 -c "$VIP" -p 5202 -P 2 -n 200M >"$DIR/copied.txt" 2>&1 || fail "$(cat "$DIR/copied.txt")"
check_number "after the reload, bytes spliced" "$(count_of copied bytes_spliced)" '>' 100000000
pass
