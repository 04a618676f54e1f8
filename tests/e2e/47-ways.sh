#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Ways of nat: next hops, routes and links change under flows, which go on; senders are told of ways that
# have become narrower; what has no way is spliced, shown, and told in one line.

. "${BASH_SOURCE[0]%/*}/lib.sh"

path_is nat
PATH_OWN=1

fast() {
	lbctl --json fastpath | jq -r ".fastpath | $1"
}

# way_is NAME FILTER: jq on how packets get to that backend of echo.
way_is() {
	backend_is echo "$1" ".way | $2"
}

told() {
	grep -c "$1" "$DIR/lb4.err" || true
}

has_told() {
	(($(told "$1") >= ${2:-1}))
}

# flow_start NAME ADDRESS PORT: a connection that says something whenever a line comes, and hears it back.
# shellcheck disable=SC2016
ECHOER='
	exec 3<>"/dev/tcp/$1/$2"
	while read -r line; do
		echo "$line" >&3
		read -r back <&3 && echo "$back"
	done'
flow_start() {
	mkfifo "$DIR/$1.in"
	spawn_in client bash -c "$ECHOER" - "$2" "$3" <"$DIR/$1.in" >"$DIR/$1.txt" 2>"$DIR/$1.err" &
	PIDS+=($!)
	exec {FLOW}>"$DIR/$1.in"
	says "$1" first
}

# says FLOW WORD: the word comes back, however long the way to it was broken.
says() {
	echo "$2" >&"$FLOW"
	wait_until 15 "$1 hears $2" grep -q "$2\$" "$DIR/$1.txt"
}

lab_up 3
# b1 has two routers before it, and an address behind them.
ns_add r1
ns_add r2
link_add r1 8
link_add r2 9
for i in 1 2; do
	in_ns "r$i" sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0
	ip -n "$(ns "r$i")" link add to-b1 type veth peer name "r$i" netns "$(ns b1)"
	ip -n "$(ns "r$i")" address add "10.5.$i.1/24" dev to-b1
	ip -n "$(ns "r$i")" link set to-b1 up
	ip -n "$(ns b1)" address add "10.5.$i.2/24" dev "r$i"
	ip -n "$(ns b1)" link set "r$i" up
	ip -n "$(ns "r$i")" route add 10.5.0.1 via "10.5.$i.2"
done
ip -n "$(ns b1)" address add 10.5.0.1/32 dev lo
in_ns b1 sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.r1.rp_filter=0 net.ipv4.conf.r2.rp_filter=0
# Both routers are reached from one address, whichever it is.
ip -n "$(ns lb)" address add 10.4.100.1/32 dev lo
ip -n "$(ns lb)" route add 10.5.0.1 via 10.4.8.2 src 10.4.100.1
ip -n "$(ns b1)" route add 10.4.100.1 via 10.5.1.1
backend_start b1 b2 b3
spawn_in b2 iperf3 -s >"$DIR/iperf3-server.txt" 2>&1 &
PIDS+=($!)
config "interfaces: $(at_hook to-b1 to-b2 to-client to-r1 to-r2)"
service echo "$VIP" echo "far=10.5.0.1:${PORT[echo]} b2 b3"
service far "$VIP:1001" echo "far=10.5.0.1:${PORT[echo]}"
service near "$VIP:1002" echo b2
service bulk "$VIP" 5201 b2
service bulk6 "[$VIP6]" 5201 b2@6
start_lb4
wait_all_up

# What is there at the start.
check_within 5 "next hops are resolved" eval '(($(fast .ways.resolved) == 3))'
check "by the gateway's address" way_is far '.mac == "'"$(in_ns r1 cat /sys/class/net/lb/address)"'" and .gateway == "10.4.8.2" and .interface == "to-r1" and .source == "10.4.100.1"'
check "a backend aside is told" has_told "echo: backend b3 gets new connections by splicing: its answers would not pass the fast path, which is not attached to to-b3"
check_matches "lbctl fastpath says so" "$(lbctl fastpath)" 'echo/b3: its answers would not pass'
managed() {
	in_ns lb ip -d neighbour show 10.4.2.2 dev to-b2 | grep managed >/dev/null
}
check "the kernel keeps a neighbour resolved" managed

# bulk SERVICE COMMAND…: the command makes the way narrower under a transfer, whose sender must be told.
bulk_moves() {
	(($(lbctl --json services | jq ".services[] | select(.name == \"$1\") | .bytes_in + .bytes_out") > 1000000))
}
bulk() {
	local service=$1 made pid
	made=$(fast '.packets["icmp-made"]')
	spawn_in client timeout "$(patient 20)" iperf3 "${IPERF[@]}" -b "$(paced 40)M" -n 10M >"$DIR/iperf3.txt" 2>&1 &
	pid=$!
	wait_until 10 "bytes move" bulk_moves "$service"
	"${@:2}"
	finished "$pid" || fail "$(cat "$DIR/iperf3.txt")"
	check_number "messages to the sender of $service" "$(($(fast '.packets["icmp-made"]') - made))" '>' 0
}
IPERF=(-c "$VIP6")
bulk bulk6 ip -n "$(ns lb)" -6 route replace fd04:2::/64 dev to-b2 metric 256 mtu 1300
IPERF=(-c "$VIP" -R)
bulk bulk ip -n "$(ns lb)" link set to-client mtu 1300

# A backend with another MAC address.
flow_start near "$VIP" 1002
in_ns b2 sysctl -qw net.ipv4.conf.lb.arp_notify=1
ip -n "$(ns b2)" link set lb address 02:00:00:00:12:34
check_within 5 "its new MAC address is known" way_is b2 '.mac == "02:00:00:00:12:34"'
says near after-mac
ok "its flow goes on"

# Its link goes down and comes back.
ip -n "$(ns lb)" link set to-b2 down
check_within 5 "with its link down a backend is shown without a way" way_is b2 '.error == "no route leads to it"'
ip -n "$(ns lb)" link set to-b2 up
check_within 5 "and with it up again it has one" way_is b2 '.error == null and .mac == "02:00:00:00:12:34"'
says near after-down
ok "the flow goes on"
check_equal "attached" "$(fast '[.interfaces[] | select(.hook) | .name] | join(" ")')" "to-b1 to-b2 to-client to-r1 to-r2"

# The link itself is another.
ip -n "$(ns lb)" link delete to-b2
check_within 5 "an interface that is gone is shown" eval '[[ $(lbctl fastpath) == *"to-b2: there is no such interface"* ]]'
link_add b2 2
check_within 5 "one with its name is attached to" way_is b2 '.error == null and .mac != null'
says near after-delete
ok "the flow goes on"
check_equal "its way was lost and found" "$(told 'echo: backend b2 gets .*splicing') $(told 'echo: backend b2 is reached by')" "2 2"

# Another router.
flow_start far "$VIP" 1001
ip -n "$(ns lb)" route replace 10.5.0.1 via 10.4.9.2 src 10.4.100.1
check_within 5 "a route by another gateway is followed" way_is far '.gateway == "10.4.9.2" and .interface == "to-r2" and .mac != null'
ip -n "$(ns r1)" link set lb down
ip -n "$(ns b1)" route replace 10.4.100.1 via 10.5.2.1
says far after-route
ok "the flow goes on"

# A gateway that does not answer.
ip -n "$(ns r2)" link set lb arp off
ip -n "$(ns lb)" neighbour flush dev to-r2
check_within 10 "a next hop that does not answer is told" has_told "backend far gets .*: its next hop, 10.4.9.2 on to-r2, does not answer"
before=$(fast '.packets["no-way"]')
client timeout 1 bash -c "exec 3<>/dev/tcp/$VIP/1001" || true
check_number "SYNs of new connections to it, which are spliced" "$(($(fast '.packets["no-way"]') - before))" '>' 0
ip -n "$(ns r2)" link set lb arp on
check_within 15 "and when it answers again" way_is far '.error == null and .mac != null'
says far after-silence
ok "the flow goes on"
pass
