# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# What direct server return needs of the lab: a way back that does not lead over lb, and backends
# that hold the virtual addresses.
#
#   client 10.5.0.2 ───── 10.5.0.1 fabric 10.5.1.1 ───── 10.5.1.2 b1
#          fd05::2        fd05::1    │    fd05:1::1      fd05:1::2
#                                    └ 10.5.2.1 ──────── 10.5.2.2 b2 …

BACKEND_TOOL=$ROOT/tools/backend/lb4-backend

# back_add NAME NUMBER: a second link, to the fabric.
back_add() {
	ip -n "$(ns fabric)" link add "to-$1" type veth peer name back netns "$(ns "$1")"
	ip -n "$(ns fabric)" address add "10.5.$2.1/24" dev "to-$1"
	ip -n "$(ns fabric)" address add "fd05:$2::1/64" dev "to-$1" nodad
	ip -n "$(ns fabric)" link set "to-$1" up
	ip -n "$(ns "$1")" address add "10.5.$2.2/24" dev back
	ip -n "$(ns "$1")" address add "fd05:$2::2/64" dev back nodad
	ip -n "$(ns "$1")" link set back up
}

# dsr_backend NAME COMMAND: up, down or check, as an operator of the backend has it.
dsr_backend() {
	local name=$1 number=${1#b}
	PATH=$BUILD/tools/backend:$PATH in_ns "$name" "$BACKEND_TOOL" "$2" --device lb \
		--vip "$VIP" --vip "$VIP2" --vip "$VIP6" --from "10.4.$number.1" --from "fd04:$number::1"
}

# dsr_routes NAME: what VIPs say to lb4 itself, answers to its checks, goes there.
dsr_routes() {
	ip -n "$(ns "$1")" route replace "10.4.${1#b}.0/24" dev lb table 100
	ip -n "$(ns "$1")" -6 route replace "fd04:${1#b}::/64" dev lb table 100
}

# dsr_up N: behind lab_up N.
dsr_up() {
	local i vip
	ns_add fabric
	in_ns fabric sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
	back_add client 0
	# Answers come in where requests do not go out.
	in_ns client sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.back.rp_filter=0 net.ipv4.conf.lb.rp_filter=0
	ip -n "$(ns fabric)" route add 10.4.0.0/24 via 10.5.0.2
	ip -n "$(ns fabric)" -6 route add fd04::/64 via fd05::2
	for ((i = 1; i <= $1; i++)); do
		back_add "b$i" "$i"
		ip -n "$(ns "b$i")" route add default via "10.5.$i.1" table 100
		ip -n "$(ns "b$i")" -6 route add default via "fd05:$i::1" table 100
		dsr_routes "b$i"
		for vip in "$VIP" "$VIP2"; do
			ip -n "$(ns "b$i")" rule add from "$vip" lookup 100
		done
		ip -n "$(ns "b$i")" -6 rule add from "$VIP6" lookup 100
		dsr_backend "b$i" up
	done
}
