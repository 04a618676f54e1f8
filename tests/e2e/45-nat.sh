#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# nat: packets are rewritten by the program and no worker sees them; every byte is right, flows live through
# changes of other backends, failures end as the service says, and what the program cannot do is spliced.
# Alone: moves as much as it can.

. "${BASH_SOURCE[0]%/*}/lib.sh"

path_is nat
PATH_OWN=1
COUNT=${LB4_TRANSFERS:-$(paced "$(by_scale 300 1500 4000)")}
CHECK="check: {tcp: true, interval: $(patient 300)ms, fast_interval: $(patient 100)ms, timeout: $(patient 300)ms}"

fast() {
	lbctl --json fastpath | jq -r ".fastpath | $1"
}

# Connections of a service that workers have accepted and that have ended.
workers_saw() {
	ended ".service == \"$1\" and .path != \"nat\""
}

lab_up 3
backend_start b1 b2 b3
# A client behind a router whose last link is narrower than either end knows.
ns_add router
ns_add far
link_add router 9
in_ns router sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
ip -n "$(ns router)" link add to-far mtu 1300 type veth peer name lb netns "$(ns far)"
ip -n "$(ns router)" address add 10.9.0.1/24 dev to-far
ip -n "$(ns router)" address add fd09::1/64 dev to-far nodad
ip -n "$(ns router)" link set to-far up
ip -n "$(ns far)" address add 10.9.0.2/24 dev lb
ip -n "$(ns far)" address add fd09::2/64 dev lb nodad
ip -n "$(ns far)" link set lb up
ip -n "$(ns far)" route add default via 10.9.0.1
ip -n "$(ns far)" -6 route add default via fd09::1
ip -n "$(ns lb)" route add 10.9.0.0/24 via 10.4.9.2
ip -n "$(ns lb)" -6 route add fd09::/64 via fd04:9::2
spawn_in b1 iperf3 -s >"$DIR/iperf3-server.txt" 2>&1 &
PIDS+=($!)
[[ $HOOK != xdp ]] || link_for_xdp router to-far
config "interfaces: $(at_hook nowhere to-b1 to-b2 to-b3 to-client to-router)"
service hammer "$VIP" hammer "b1 b2 b3"
service hammer6 "[$VIP6]" hammer "b1@6 b2@6 b3@6"
service count "$VIP" count b1
service echo "$VIP" echo "b1 b2 b3" "$CHECK"
service echo6 "[$VIP6]" echo "b1@6 b2@6 b3@6"
service id "$VIP" id "b1 b2 b3" "$CHECK"
service cut "$VIP:1001" echo "b1 b2" "on_down: reset" "$CHECK"
service idle "$VIP:1002" echo b1 "idle_timeout: 2s"
service aged "$VIP:1003" echo b1 "lifetime: 2s"
service refused "$VIP:1005" 9 "nobody=10.4.1.2:9" "passive: {fall: 1}" "max_eject: 100%" "fail: closed"
service silent "$VIP:1006" echo "b1*50 b2" "passive: {fall: 1}" "connect_timeout: 300ms"
service bulk "$VIP" 5201 b1
service bulk6 "[$VIP6]" 5201 b1@6
FORWARD=splice service plain "$VIP:1004" echo b1
start_lb4
wait_all_up
check_equal "the fast path is" "$(fast .state)" on
check_equal "attached" "$(fast '[.interfaces[] | select(.hook) | .name] | join(" ")')" "to-b1 to-b2 to-b3 to-client to-router"
hook=$HOOK
[[ $HOOK != auto ]] || hook=$(at_tc)
check_equal "all of them at" "$(fast '[.interfaces[].hook | values] | unique | join(" ")')" "$hook"
check_matches "lbctl says why" "$(lbctl fastpath)" "to-b1: $hook \(driver veth: "
check_matches "lbctl names an interface that there is not" "$(lbctl status)" 'nowhere: there is no such interface'

# Every byte, by the backend that explain names.
lab hammer --to "$VIP:${PORT[hammer]}" --to "[$VIP6]:${PORT[hammer]}" --count "$COUNT" \
	--concurrency "$(paced 32)" --timeout "$(patient 30)s" "$DIR"/b[123].out >"$DIR/hammer.json" 2>"$DIR/hammer.err" ||
	fail "$(cat "$DIR/hammer.err" "$DIR/hammer.json")"
check_equal "violations in $COUNT transfers" "$(json "$DIR/hammer.json" .violations)" 0
check_equal "connections that workers saw" "$(($(workers_saw hammer) + $(workers_saw hammer6)))" 0
check_within 8 "the log has each of them" has_ended '(.service == "hammer" or .service == "hammer6") and .path == "nat"' "$COUNT"
check_equal "and as many resets by clients as these have sent" "$(ended '.end == "client-reset"')" "$(json "$DIR/hammer.json" .client_reset)"
check_equal "under a name of its own each" "$(jq -rs '(map(.id) | unique | length) == length' "$DIR/connections.log")" true
lab talk "$VIP:${PORT[count]}" fill=3000000 fin "recv=3000000 bytes" eof >"$DIR/talk.txt" 2>&1 || fail "$(cat "$DIR/talk.txt")"
check_within 3 "and with its bytes" has_ended '.service == "count" and .end == "done" and .party == "both" and .bytes_in == 3000000 and .bytes_out == 14 and .connect_us > 0 and .backend == "b1"'
check_number "packets rewritten" "$(fast .packets.forwarded)" '>' $((COUNT * 10))
if [[ $HOOK == xdp ]]; then
	check_number "of these, in the driver, on the way in" "$(redirected to-client)" '>' $((COUNT * 4))
	check_number "and on the way back" "$(($(redirected to-b1) + $(redirected to-b2) + $(redirected to-b3)))" '>' $((COUNT * 4))
fi
check_equal "packets dropped" "$(fast '[.packets | to_entries[] | select(.key == ("malformed", "bad-source", "ttl", "too-big")) | .value] | add')" 0
# From ports that no client of the lab draws by itself.
for ((port = 600; port < 610; port++)); do
	meets echo 10.4.0.3 "$port" "$VIP"
	meets echo6 fd04::2 "$port" "[$VIP6]" "[fd04::2]"
done
ok "clients meet whom explain names, over IPv4 and IPv6"
sed '1i seed: 4711' "$DIR/lb4.yaml" >"$DIR/other.yaml"
cp "$DIR/other.yaml" "$DIR/lb4.yaml"
lbctl reload >/dev/null
for ((port = 600; port < 620; port++)); do
	meets echo 10.4.0.4 "$port" "$VIP"
done
ok "and after a reload with another seed"
check_matches "ports that the machine gives to nobody else" "$(in_ns lb cat /proc/sys/net/ipv4/ip_local_reserved_ports)" '(^|,)10000-29999(,|$)'
client iperf3 -c "$VIP" -P 4 -n 100M >"$DIR/iperf3.txt" 2>&1 || fail "$(cat "$DIR/iperf3.txt")"
client iperf3 -c "$VIP" -P 4 -n 100M -R >"$DIR/iperf3.txt" 2>&1 || fail "$(cat "$DIR/iperf3.txt")"
counted() {
	(($(lbctl --json services | jq '.services[] | select(.name == "bulk") | .bytes_in + .bytes_out') > 200000000))
}
check_within 3 "bytes of nat are counted" counted

# The router says so to the VIP, and the backend has to hear it.
for to in "$VIP" "$VIP6"; do
	before=$(fast .packets.icmp)
	in_ns far timeout "$(patient 20)" iperf3 -c "$to" -n 20M -R >"$DIR/iperf3.txt" 2>&1 || fail "$(cat "$DIR/iperf3.txt")"
	check_number "ICMP errors passed on, downloading from $to" "$(($(fast .packets.icmp) - before))" '>' 0
done

# Established flows live through whatever happens to others; new ones go elsewhere.
spawn_lab stream.json stream --to "$VIP:${PORT[echo]}" --to "[$VIP6]:${PORT[echo]}" --count 60 --duration "$(patient 100)s" --interval "$(patient 20)ms" &
STREAM=$!
wait_until 3 "streams run" eval '(($(lbctl --json services | jq "[.services[] | select(.name | startswith(\"echo\")) | .active] | add") == 60))'
check_number "streams on b1, as lbctl counts flows" "$(backend_value echo b1 active)" '>' 2
check_equal "and lists them" "$(lbctl --json connections | jq -c '[.connections[] | select(.path == "nat" and .state == "established" and .bytes_in > 0)] | length')" 60
check_equal "of one service" "$(lbctl --json connections echo6 | jq -c '.connections | map(.service) | unique + [length > 0]')" '["echo6",true]'
check_equal "no more than wanted" "$(lbctl --json connections --limit 7 | jq '.connections | length')" 7
one=$(lbctl --json connections echo | jq -c '.connections[0]')
check_equal "explain names the flow of a client" "$(lbctl --json explain echo "$(jq -r .client <<<"$one")" |
	jq -c '[.path, .maps.owner, .flow.backend, .flow.state]')" "$(jq -c '["nat", .backend, .backend, "established"]' <<<"$one")"
check_matches "and says so" "$(lbctl explain echo "$(jq -r .client <<<"$one")")" 'flow there is: to b[123] from 10\.4\.[123]\.1:[0-9]+, established'
check_matches "and why there would be none" "$(lbctl explain plain 10.4.0.2:1; lbctl fastpath off; lbctl explain echo 10.4.0.2:1; lbctl fastpath on)" 'path splice: the fast path is off; in the maps slot [0-9]+, owner b[123]'
lbctl drain echo b1 >/dev/null
lbctl weight echo b2 5 >/dev/null
lbctl remove echo b3 >/dev/null
lab short --to "$VIP:${PORT[id]}" --rate 300 --duration 500ms >"$DIR/short.json" || fail "$(cat "$DIR/short.json")"
lbctl reload >/dev/null
lbctl drain echo b3 >/dev/null
sed 's/to-b1, to-b2/to-b2, to-b1/; s/lifetime: 2s/lifetime: 3s/' "$DIR/lb4.yaml" >"$DIR/other.yaml"
cp "$DIR/other.yaml" "$DIR/lb4.yaml"
lbctl reload >/dev/null
check_equal "with the fast path off, new flows" "$(lbctl fastpath off >/dev/null; fast .state)" off
check "the switch is an event" eval 'lbctl events | grep "the fast path takes no new connections" >/dev/null'
lab short --to "$VIP:${PORT[id]}" --rate 300 --duration 500ms >"$DIR/short.json" || fail "$(cat "$DIR/short.json")"
wait_until 3 "those were spliced" eval '(($(workers_saw id) == 150))'
lbctl fastpath on >/dev/null
lab short --to "$VIP:${PORT[id]}" --rate 300 --duration 500ms >"$DIR/short.json" || fail "$(cat "$DIR/short.json")"
check_equal "and with it on none" "$(workers_saw id)" 150
kill -TERM "$STREAM"
finished "$STREAM" || fail "a stream broke: $(cat "$DIR/stream.json" "$DIR/stream.json.err")"
ok "60 flows lived through drain, weight, removal, reloads, and the fast path off and on"

# A connection that is spliced stays so, whatever SYN claims to be its client's.
lbctl fastpath off >/dev/null
client python3 - "$VIP" "${PORT[echo]}" "$LBCTL" "$DIR/lb4.sock" >"$DIR/syn.txt" 2>&1 <<-'P' || fail "$(cat "$DIR/syn.txt")"
	import socket, struct, subprocess, sys
	vip, port, lbctl, control = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]

	def checksum(b):
	    s = sum(struct.unpack("!%dH" % (len(b) // 2), b))
	    s = (s >> 16) + (s & 0xffff)
	    return ~(s + (s >> 16)) & 0xffff

	def echo(s, data):
	    s.sendall(data)
	    got = b""
	    while not got.endswith(data):
	        more = s.recv(100)
	        assert more, "the connection has ended"
	        got += more

	s = socket.create_connection((vip, port), 5)
	echo(s, b"before")
	subprocess.run([lbctl, "--socket", control, "fastpath", "on"], check=True)
	ours = s.getsockname()
	addresses = socket.inet_aton(ours[0]) + socket.inet_aton(vip)
	tcp = [ours[1], port, 0x31313131, 0, 5 << 12 | 2, 1000, 0, 0]
	tcp[6] = checksum(addresses + struct.pack("!HH", 6, 20) + struct.pack("!HHIIHHHH", *tcp))
	ip = struct.pack("!BBHHHBBH", 0x45, 0, 40, 0, 0, 64, 6, 0) + addresses
	raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
	raw.sendto(ip + struct.pack("!HHIIHHHH", *tcp), (vip, 0))
	for i in range(5):
	    echo(s, b"after %d" % i)
P
check_number "SYNs of connections that are spliced" "$(fast .packets.spliced)" '>=' 1
ok "such a connection lives on"

# How flows end that lb4 ends.
spawn_lab cut.txt talk --within 20s "$VIP:1001" send=hi name recv=hi end &
CUT=$!
lab talk --within 6s "$VIP:1002" send=hi name recv=hi quiet=1s send=ho recv=ho end >"$DIR/talk.txt" 2>&1 || fail "$(cat "$DIR/talk.txt")"
check "an idle flow is reset" grep -q 'ended with a reset' "$DIR/talk.txt"
lab talk --within 8s "$VIP:1003" send=a name recv=a quiet=1s send=b recv=b end >"$DIR/talk.txt" 2>&1 || fail "$(cat "$DIR/talk.txt")"
check "an old one too" grep -q 'ended with a reset' "$DIR/talk.txt"
check_equal "and they are counted" "$(lbctl --json services | jq -c '[.services[] | select(.name == ("idle", "aged")) | .ended | (."idle-timeout" // 0) + (.lifetime // 0)]')" "[1,1]"
met=$(awk '$1 == "name" && $2 != "ok" { print $2 }' "$DIR/cut.txt")
blackhole "$met"
check_within 5 "on_down: reset ends the flows of a backend that fails" is_dead "$CUT"
check "with a reset" grep -q 'ended with a reset' "$DIR/cut.txt"

check_within 3 "both are logged" has_ended '(.service == "idle" and .end == "idle-timeout" or .service == "aged" and .end == "lifetime") and .path == "nat"' 2
check_within 1 "so is this" has_ended '.service == "cut" and .end == "backend-down" and .path == "nat"'

# A backend that refuses, and one that is silent, are found by their clients, whose next SYN goes elsewhere.
unblackhole "$met"
lab talk --within 2s "$VIP:1005" end >"$DIR/talk.txt" 2>&1 || true
check_within 2 "a backend's refusal is logged" has_ended '.service == "refused" and .end == "connect-failed" and .backend == null and (.error | test("refused"))'
check_within 2 "and takes it out" backend_is refused nobody '.state == "down" and .why == "passive"'
blackhole b1
lab talk --within 9s "$VIP:1006" send=hi name recv=hi fin eof >"$DIR/talk.txt" 2>&1 || fail "$(cat "$DIR/talk.txt")"
unblackhole b1
check "a client of a silent backend gets to the other" grep -q '^name b2' "$DIR/talk.txt"
check_within 2 "the try is logged" has_ended '.service == "silent" and .end == "connect-failed" and (.error | test("timed out"))'

# What the program cannot do.
client timeout 5 bash -c "exec 3<>/dev/tcp/$VIP/1004 && echo hi >&3 && read -r line <&3" || fail "a spliced service beside"
in_ns lb timeout 5 bash -c "exec 3<>/dev/tcp/$VIP/${PORT[echo]} && echo hi >&3 && read -r line <&3" || fail "from the machine itself"
ok "other services, and clients on the machine itself, are spliced"
pass
