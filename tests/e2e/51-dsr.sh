#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Direct server return, on the link (VIP) and in IP packets (VIP2): clients' packets go to backends that hold the
# address and answer by themselves; every byte is right, connections live through whatever happens to others, and
# what the program cannot do is spliced.

. "${BASH_SOURCE[0]%/*}/lib.sh"

path_is dsr-l2 dsr-ipip # both at once
PATH_OWN=1
FORWARD=splice # said by service below
COUNT=${LB4_TRANSFERS:-$(paced "$(by_scale 200 800 4000)")}
CHECK="check: {tcp: true, interval: $(patient 300)ms, fast_interval: $(patient 100)ms, timeout: $(patient 300)ms}"

fast() {
	lbctl --json fastpath | jq -r ".fastpath | $1"
}

workers_saw() {
	ended ".service == \"$1\""
}

# services FORWARD-OF-ECHO: the whole file.
services() {
	config "interfaces: $(at_hook $(interfaces) late)" # the last one is not there yet
	service hammer "$VIP" hammer "b1 b2 b3" "forward: dsr-l2"
	service hammer-ipip "$VIP2" hammer "b1 b2 b3" "forward: dsr-ipip"
	service hammer6 "[$VIP6]" hammer "b1@6 b2@6 b3@6" "forward: dsr-ipip"
	service mixed "$VIP2" id "b1@6 b2@6 b3@6" "$CHECK" "forward: dsr-ipip"
	service echo "$VIP" echo "b1 b2 b3" "$CHECK" "forward: ${1:-dsr-l2}"
	service echo-ipip "$VIP2" echo "b1 b2 b3" "$CHECK" "on_down: reset" "forward: dsr-ipip"
	service echo6 "[$VIP6]" echo "b1@6 b2@6 b3@6" "$CHECK" "forward: dsr-l2"
	service id "$VIP" id "b1 b2 b3" "$CHECK" "forward: dsr-l2"
	service bulk "$VIP2" 5201 b1 "forward: dsr-ipip"
	service bulk6 "[$VIP6]" 5201 b1@6 "forward: dsr-l2"
}

lab_up 3
dsr_up 3
backend_start b1 b2 b3
spawn_in b1 iperf3 -s >"$DIR/iperf3-server.txt" 2>&1 &
PIDS+=($!)
# The tool says what is missing, and with it nothing is.
wait_until 5 "the backend is as it has to be" dsr_backend b1 check
dsr_backend b1 down
! dsr_backend b1 check >"$DIR/check.txt" || fail "lb4-backend finds nothing missing"
check_matches "what lb4-backend finds missing" "$(cat "$DIR/check.txt")" "missing  $VIP is an address of lo.*missing  packets of 10.4.1.1 fd04:1::1 are unwrapped"
dsr_backend b1 up
services
start_lb4
wait_all_up

# Checks go where clients' packets go: a backend that would answer no client is out, and what is missing is said.
paths() {
	lbctl --json backends | jq -r "[.backends[] | select(.service == \"$1\") | .check_path] | unique | join(\" \")"
}
check_equal "checks on the link go on the link" "$(paths echo)" dsr-l2
check_equal "those in IP packets so" "$(paths echo-ipip)" dsr-ipip
check_equal "and those of IPv6" "$(paths echo6)" dsr-l2
check_equal "IPv4 in IPv6 is checked straight" "$(paths mixed)" straight
is_down_as() {
	backend_is "$1" "$2" ".state == \"down\" and (.last_error | test(\"$3\"))"
}
in_ns b1 ip address del "$VIP/32" dev lo
in_ns b2 "$BUILD/tools/backend/lb4-decap" detach lb >/dev/null
wait_until 10 "b1 is down without its VIP, though it answers" is_down_as echo b1 "$VIP:${PORT[echo]} by dsr-l2; its own address answers"
wait_until 10 "b2 is down where nobody unwraps" is_down_as echo-ipip b2 "$VIP2:${PORT[echo]} by dsr-ipip; its own address answers"
check_equal "services of other paths stay up" "$(backend_value echo-ipip b1 state) $(backend_value echo b2 state) $(backend_value echo6 b1 state)" "up up up"
dsr_backend b1 up
dsr_backend b2 up
wait_all_up
downs() {
	grep -c ' is down' "$DIR/lb4.err"
}
had=$(downs)
lbctl fastpath off >/dev/null
wait_until 5 "checks are straight while the fast path is off" eval '[[ $(paths echo) == straight ]]'
lbctl fastpath on >/dev/null
wait_until 5 "and on the link again" eval '[[ $(paths echo) == dsr-l2 ]]'
check_equal "nobody was down meanwhile" "$(downs)" "$had"
# An interface that comes back is another one.
ip -n "$(ns lb)" link del to-b3
link_add b3 3
dsr_routes b3
dsr_backend b3 up
wait_until 10 "all are up by the interface that is there instead" all_up
in_ns b3 ip address del "$VIP6/128" dev lo
wait_until 15 "b3 is down without its VIP" is_down_as echo6 b3 "by dsr-l2; its own address answers"
dsr_backend b3 up
wait_all_up
# Answers may come in where no check goes out, by an interface that comes later.
ip -n "$(ns b3)" route replace blackhole 10.4.3.0/24 table 100
wait_until 10 "b3 is down when nothing comes back" is_down_as echo b3 "by dsr-l2; its own address answers"
ip -n "$(ns lb)" link add late type veth peer name late netns "$(ns b3)"
in_ns lb sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.late.rp_filter=0
ip -n "$(ns lb)" address add 10.6.3.1/24 dev late
ip -n "$(ns lb)" link set late up
ip -n "$(ns b3)" address add 10.6.3.2/24 dev late
ip -n "$(ns b3)" link set late up
[[ $HOOK != xdp ]] || link_for_xdp b3 late
ip -n "$(ns b3)" route replace 10.4.3.0/24 via 10.6.3.1 dev late table 100
wait_until 15 "b3 is up when it does by another interface" all_up
dsr_routes b3

# Every byte, and none of the answers passes lb4.
lab hammer --to "$VIP:${PORT[hammer]}" --to "$VIP2:${PORT[hammer]}" --to "[$VIP6]:${PORT[hammer]}" --count "$COUNT" \
	--concurrency "$(paced 32)" --timeout "$(patient 30)s" "$DIR"/b[123].out >"$DIR/hammer.json" 2>"$DIR/hammer.err" ||
	fail "$(cat "$DIR/hammer.err" "$DIR/hammer.json")"
check_equal "violations in $COUNT transfers" "$(json "$DIR/hammer.json" .violations)" 0
check_equal "connections that workers saw" "$(($(workers_saw hammer) + $(workers_saw hammer-ipip) + $(workers_saw hammer6)))" 0
check_equal "bytes of answers that passed lb4" "$(lbctl --json services | jq '[.services[] | select(.name | startswith("hammer")) | .bytes_out] | add')" 0
check_number "bytes that lb4 counts of clients" "$(lbctl --json services | jq '[.services[] | select(.name | startswith("hammer")) | .bytes_in] | add')" '>' $((COUNT * 1000))
check_equal "packets dropped" "$(fast '[.packets | to_entries[] | select(.key == ("malformed", "bad-source", "ttl", "too-big", "odd-flow", "lost-way")) | .value] | add')" 0
check_number "packets that b1 unwrapped" "$(in_ns b1 "$BUILD/tools/backend/lb4-decap" show lb | awk '/^unwrapped/ { print $2 }')" '>' 100
lab short --to "$VIP2:${PORT[id]}" --rate 300 --duration 500ms >"$DIR/short.json" || fail "$(cat "$DIR/short.json")"
check_equal "IPv4 in IPv6, connections that workers saw" "$(workers_saw mixed)" 0

# From ports that no client of the lab draws by itself.
for ((port = 600; port < 608; port++)); do
	meets echo 10.4.0.3 "$port" "$VIP"
	meets echo-ipip 10.4.0.4 "$port" "$VIP2"
	meets echo6 fd04::2 "$port" "[$VIP6]" "[fd04::2]"
done
ok "clients meet whom explain names, on the link, in IP packets and over IPv6"
for to in "$VIP2" "$VIP6"; do
	client timeout "$(patient 20)" iperf3 -c "$to" -P 4 -n 100M >"$DIR/iperf3.txt" 2>&1 || fail "$(cat "$DIR/iperf3.txt")"
	client timeout "$(patient 20)" iperf3 -c "$to" -P 4 -n 100M -R >"$DIR/iperf3.txt" 2>&1 || fail "$(cat "$DIR/iperf3.txt")"
done
ok "iperf3, both ways"

# Connections stay where they are, whatever becomes of the table.
spawn_lab stream.json stream --to "$VIP:${PORT[echo]}" --to "$VIP2:${PORT[echo]}" --to "[$VIP6]:${PORT[echo]}" --count 90 --duration "$(patient 9)s" --interval "$(patient 20)ms" &
STREAM=$!
sleep_until_streams() {
	(($(lbctl --json services | jq '[.services[] | select(.name | startswith("echo")) | .accepted] | add') >= 90 + 24))
}
wait_until 5 "streams run" sleep_until_streams
lbctl drain echo b1 --wait >"$DIR/wait.txt" 2>&1 &
WAIT=$!
wait_until 3 "b1 drains" backend_is echo b1 '.admin == "draining"'
lbctl drain echo-ipip b2 >/dev/null
lbctl weight echo6 b2@6 5 >/dev/null 2>&1 || lbctl weight echo6 b2 5 >/dev/null
new_one_avoids() {
	local port
	for port in 620 621 622 623 624 625; do
		lab talk --from 10.4.0.5 --port "$port" "$VIP:${PORT[echo]}" send=hi name recv=hi fin eof >"$DIR/talk.txt" 2>&1 || return 1
		! grep -q "^name $1\$" "$DIR/talk.txt" || return 1
	done
}
check "new connections do not come to a draining backend" new_one_avoids b1
moved_from() {
	local port
	for ((port = 22000; port < 22060; port++)); do
		! lbctl --json explain echo "10.4.0.5:$port" --local "$VIP:${PORT[echo]}" |
			jq -e ".path == \"dsr-l2\" and .maps.state == \"moving\" and .maps.previous == \"$1\"" >/dev/null || return 0
	done
	return 1
}
check "explain shows slots that move, and whose they were" moved_from b1
check_within 5 "and its old ones are known" eval '(($(backend_value echo b1 active) > 2))'
lbctl remove echo b3 >/dev/null
check_not "drain --wait does not return while they are there" is_dead "$WAIT"
lbctl undrain echo b1 >/dev/null
finished "$WAIT" && fail "drain --wait says that b1 was drained: $(cat "$DIR/wait.txt")"
lbctl reload >/dev/null
check_equal "with the fast path off" "$(lbctl fastpath off >/dev/null; fast .state)" off
lab short --to "$VIP:${PORT[id]}" --rate 300 --duration 500ms >"$DIR/short.json" || fail "$(cat "$DIR/short.json")"
wait_until 3 "new connections were spliced" eval '(($(workers_saw id) == 150))'
spawn_lab spliced.json stream --to "$VIP:${PORT[echo]}" --count 20 --duration "$(patient 4)s" --interval "$(patient 20)ms" &
SPLICED=$!
spliced_run() {
	(($(lbctl --json connections echo 2>/dev/null | jq '[.connections[] | select(.service == "echo")] | length') >= 20))
}
wait_until 3 "some are there to stay" spliced_run
lbctl fastpath on >/dev/null
lab short --to "$VIP:${PORT[id]}" --rate 300 --duration 500ms >"$DIR/short.json" || fail "$(cat "$DIR/short.json")"
check_equal "and with it on none" "$(workers_saw id)" 150
# The service is spliced from now on; connections of before go on, and so do they when it is dsr again.
cp "$DIR/lb4.yaml" "$DIR/dsr.yaml"
services splice
write_config
lbctl reload >/dev/null
lab talk "$VIP:${PORT[echo]}" send=hi name recv=hi fin eof >"$DIR/talk.txt" 2>&1 || fail "$(cat "$DIR/talk.txt")"
wait_until 3 "a new connection is spliced" eval '(($(workers_saw echo) >= 1))'
sed -i '1i seed: 4711' "$DIR/lb4.yaml"
check_matches "another seed is refused while they do" "$(lbctl reload 2>&1 || true)" 'another seed.*which go on'
cp "$DIR/dsr.yaml" "$DIR/lb4.yaml"
lbctl reload >/dev/null
finished "$SPLICED" || fail "a spliced stream broke: $(cat "$DIR/spliced.json" "$DIR/spliced.json.err")"
finished "$STREAM" || fail "a stream broke: $(cat "$DIR/stream.json" "$DIR/stream.json.err")"
ok "90 connections lived through drain, weight, removal, reloads, the fast path off and on, and dsr off and on"
check_matches "another seed is refused" "$(sed -i '1i seed: 4711' "$DIR/lb4.yaml"; lbctl reload 2>&1 || true)" 'another seed'

# A backend that fails: whoever has its connections then does not know them.
spawn_lab cut.txt talk --within "$(patient 20)s" "$VIP2:${PORT[echo]}" send=hi name recv=hi quiet="$(patient 2)s" send=more recv=more end &
CUT=$!
wait_until 5 "it is there" grep -q '^recv ok' "$DIR/cut.txt"
met=$(awk '$1 == "name" && $2 != "ok" { print $2 }' "$DIR/cut.txt")
blackhole "$met"
check_within 15 "on_down: reset ends its connections" is_dead "$CUT"
check_matches "with a reset" "$(cat "$DIR/cut.txt")" 'recv failed|ended with a reset'
unblackhole "$met"
pass
