#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Tags of IEEE 802.1Q: one that only tells a priority changes nothing, packets of a VLAN that nobody knows come to nobody,
# and a VLAN that is an interface is forwarded like any other.

. "${BASH_SOURCE[0]%/*}/lib.sh"

path_is nat
PATH_OWN=1

packets() {
	lbctl --json fastpath | jq ".fastpath.packets.$1"
}

begun_of() {
	lbctl --json services | jq ".services[] | select(.name == \"$1\") | .accepted"
}

# syn PORT TAG: a SYN of the client's to echo, with that tag.
syn() {
	client python3 - "$VIP" "${PORT[echo]}" "$1" "$2" "$(in_ns lb cat /sys/class/net/to-client/address)" <<-'P'
		import socket, struct, sys
		vip, port, own, tag, mac = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4], 0), sys.argv[5]

		def checksum(b):
		    s = sum(struct.unpack("!%dH" % (len(b) // 2), b))
		    s = (s >> 16) + (s & 0xffff)
		    return ~(s + (s >> 16)) & 0xffff

		addresses = socket.inet_aton("10.4.0.2") + socket.inet_aton(vip)
		tcp = [own, port, 0x31313131, 0, 5 << 12 | 2, 1000, 0, 0]
		tcp[6] = checksum(addresses + struct.pack("!HH", 6, 20) + struct.pack("!HHIIHHHH", *tcp))
		ip = [0x45, 0, 40, 0, 0, 64, 6, 0]
		ip[7] = checksum(struct.pack("!BBHHHBBH", *ip) + addresses)
		raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
		raw.bind(("lb", 0))
		raw.send(bytes.fromhex(mac.replace(":", "")) + raw.getsockname()[4] + struct.pack("!HHH", 0x8100, tag, 0x0800)
		         + struct.pack("!BBHHHBBH", *ip) + addresses + struct.pack("!HHIIHHHH", *tcp))
	P
}

lab_up 2
backend_start b1 b2
INTERFACES="to-client, to-b1, to-b2"
if in_ns lb ip link add link to-b2 name to-b2.7 type vlan id 7 2>/dev/null; then
	VLANS=1
	INTERFACES+=", to-b2.7"
	ns_batch lb <<-E
		address flush dev to-b2
		address add 10.4.2.1/24 dev to-b2.7
		address add fd04:2::1/64 dev to-b2.7 nodad
		link set to-b2.7 up
	E
	ns_batch b2 <<-E
		address flush dev lb
		link add link lb name lb.7 type vlan id 7
		address add 10.4.2.2/24 dev lb.7
		address add fd04:2::2/64 dev lb.7 nodad
		link set lb.7 up
		route replace default via 10.4.2.1
		route replace ::/0 via fd04:2::1
	E
fi
config "interfaces: [$INTERFACES]"
service echo "$VIP" echo b1
service hammer "$VIP" hammer b2
service hammer6 "[$VIP6]" hammer b2@6
start_lb4
wait_all_up

# VID 7, which is no VLAN of this link, VID 0 with a priority, and none.
check_equal "connections so far" "$(begun_of echo)" 0
syn 601 0x0007
syn 602 0x6000
check_within 3 "a SYN with a priority begins a flow" eval '(($(begun_of echo) == 1))'
check_within 3 "its client gets the answer" eval '(($(packets forwarded) >= 3))'
lab talk "$VIP:${PORT[echo]}" send=hi name recv=hi fin eof >"$DIR/talk.txt" 2>&1 || fail "$(cat "$DIR/talk.txt")"
check_within 3 "and one of another VLAN none" eval '(($(begun_of echo) == 2))'

if [[ ${VLANS:-} ]]; then
	lab hammer --to "$VIP:${PORT[hammer]}" --to "[$VIP6]:${PORT[hammer]}" --count 200 --concurrency 16 "$DIR"/b[12].out \
		>"$DIR/hammer.json" 2>"$DIR/hammer.err" || fail "$(cat "$DIR/hammer.err" "$DIR/hammer.json")"
	check_equal "violations in 200 transfers through a VLAN" "$(json "$DIR/hammer.json" .violations)" 0
	check_equal "connections that workers saw" "$(ended '(.service | startswith("hammer")) and .path != "nat"')" 0
	check_equal "the hook of the VLAN" "$(lbctl --json fastpath | jq -r '.fastpath.interfaces[] | select(.name == "to-b2.7") | .hook')" "$(at_tc)"
else
	say "n/a   interfaces that are VLANs: this kernel has none (8021q)"
fi
pass
