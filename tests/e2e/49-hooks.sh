#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Interfaces of one lb4 at different hooks: packets go on between them, every byte is right, what a driver cannot do is
# told and done at tc, and a stop leaves nothing behind.

. "${BASH_SOURCE[0]%/*}/lib.sh"

path_is nat
PATH_OWN=1
HOOK=xdp # the links are made fit
COUNT=${LB4_TRANSFERS:-$(paced "$(by_scale 200 600 2000)")}

fast() {
	lbctl --json fastpath | jq -r ".fastpath | $1"
}

# of INTERFACE FIELD
of() {
	fast ".interfaces[] | select(.name == \"$1\") | .$2"
}

has_program() {
	ip -n "$(ns lb)" link show "$1" | grep xdp >/dev/null
}

lab_up 4
backend_start b1 b2 b3 b4
# b3 is behind a bridge, whose driver knows no XDP.
ip -n "$(ns lb)" link add br-b3 type bridge
ip -n "$(ns lb)" address flush dev to-b3
ip -n "$(ns lb)" link set to-b3 master br-b3
ip -n "$(ns lb)" address add 10.4.3.1/24 dev br-b3
ip -n "$(ns lb)" address add fd04:3::1/64 dev br-b3 nodad
ip -n "$(ns lb)" link set br-b3 up
in_ns lb ethtool -K to-b3 tx off >/dev/null
config "interfaces: [{name: to-client, hook: xdp}, {name: to-b1, hook: xdp}, {name: to-b2, hook: tc}, {name: br-b3, hook: xdp}, to-b4]"
service hammer "$VIP" hammer "b1 b2 b3 b4"
service hammer6 "[$VIP6]" hammer "b1@6 b2@6 b3@6 b4@6"
service echo1 "$VIP:1001" echo b1
service echo2 "$VIP:1002" echo b2
start_lb4
wait_all_up
check_equal "hooks" "$(fast '[.interfaces[].hook] | join(" ")')" "xdp xdp $(at_tc) $(at_tc) $(at_tc)"
check_equal "as wished for" "$(of to-b2 reason)" "driver veth: the file says so"
check_matches "as the driver can" "$(of br-b3 reason)" '^driver bridge: its driver cannot do XDP'
check_matches "as the driver suggests" "$(of to-b4 reason)" '^driver veth: tc is faster with bundles'
check "a wish that cannot be fulfilled is an error in the log" grep -q '<3>.*interface br-b3: .*cannot be attached by xdp.*'"$(at_tc)"'$' "$DIR/lb4.err"
check "a program sits in the driver" has_program to-client
check_not "and none where tc was wished for" has_program to-b2

lab hammer --to "$VIP:${PORT[hammer]}" --to "[$VIP6]:${PORT[hammer]}" --count "$COUNT" \
	--concurrency "$(paced 16)" --timeout "$(patient 30)s" "$DIR"/b[1234].out >"$DIR/hammer.json" 2>"$DIR/hammer.err" ||
	fail "$(cat "$DIR/hammer.err" "$DIR/hammer.json")"
check_equal "violations in $COUNT transfers" "$(json "$DIR/hammer.json" .violations)" 0
check_equal "connections that workers saw" "$(ended '(.service | startswith("hammer")) and .path != "nat"')" 0
for backend in b1 b2 b3 b4; do
	check_number "transfers of $backend" "$(json "$DIR/hammer.json" ".by_backend.$backend.count // .by_backend.$backend")" '>' 0
done
for i in 1 2; do
	before=$(redirected to-client)
	lab stream --to "$VIP:100$i" --count 4 --duration "$(patient 500)ms" --interval 5ms >"$DIR/stream.json" || fail "$(cat "$DIR/stream.json")"
	more[i]=$(($(redirected to-client) - before))
done
check_number "packets to an interface at xdp that the driver sent on" "${more[1]}" '>' 100
check_equal "and to one at tc" "${more[2]}" 0

stop_lb4
for interface in to-client to-b1 to-b2 br-b3; do
	check_not "after a stop a program in the driver of $interface" has_program "$interface"
done
PASSED=1
