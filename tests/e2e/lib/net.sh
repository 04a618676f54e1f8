# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# Network namespaces of one scenario, and the processes in them. Everything is named after the
# shell's pid and gone when it exits.
#
#   client 10.4.0.2 … .17 ───── 10.4.0.1 lb 10.4.1.1 ───── 10.4.1.2 b1
#          fd04::2              fd04::1  │  fd04:1::1      fd04:1::2
#                                        ├ 10.4.2.1 ────── 10.4.2.2 b2
#          virtual addresses on lb:      └ …
#          192.0.2.10 192.0.2.11 2001:db8::10
#
# lb also routes, so that a client reaches a backend without lb4, for comparison.

VIP=192.0.2.10
VIP2=192.0.2.11
VIP6=2001:db8::10
CLIENT_ADDRESSES=16

# The lab server's ports; see `lb4-lab` for what each kind does.
declare -A PORT=([id]=7001 [greet]=7002 [echo]=7003 [count]=7004 [open]=7005 [source]=7006
	[deaf]=7007 [reset]=7008 [abort]=7009 [http]=7010 [hammer]=7011)
declare -A SERVE_PID

ns() {
	echo "lb4-$$-$1"
}

in_ns() {
	local where=$1
	shift
	ip netns exec "$(ns "$where")" "$@"
}

# For background jobs: with exec, $! is the command itself.
spawn_in() {
	local where=$1
	shift
	exec ip netns exec "$(ns "$where")" "$@"
}

# ns_batch NAME: commands of ip from standard input, by one process.
ns_batch() {
	ip -n "$(ns "$1")" -batch -
}

# ns_add NAME [SETTING=VALUE…]
ns_add() {
	local name
	name=$(ns "$1")
	shift
	ip netns add "$name"
	# Not the host's own congestion control, which may be a noisy one; reno is always allowed.
	# No duplicate detection: addresses work at once. Ports and TIME_WAIT as a host that opens
	# thousands of connections a second has them.
	# shellcheck disable=SC2016 # the inner shell's
	nsenter --net="/run/netns/$name" sh -c '
		ip link set lo up && sysctl -qw "$@" || exit 1
		{ echo cubic >/proc/sys/net/ipv4/tcp_congestion_control; } 2>/dev/null || :
	' sh net.ipv4.tcp_congestion_control=reno \
		net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0 \
		net.ipv4.ip_local_port_range="1024 65535" net.ipv4.tcp_tw_reuse=1 \
		net.core.somaxconn=4096 net.ipv4.tcp_max_syn_backlog=4096 "$@"
}

# link_add NAME NUMBER: the lb's interface and the other end get one /24 and one /64.
link_add() {
	ns_batch lb <<-E
		link add to-$1 type veth peer name lb netns $(ns "$1")
		address add 10.4.$2.1/24 dev to-$1
		address add fd04:$2::1/64 dev to-$1 nodad
		link set to-$1 up
	E
	ns_batch "$1" <<-E
		address add 10.4.$2.2/24 dev lb
		address add fd04:$2::2/64 dev lb nodad
		link set lb up
		route add default via 10.4.$2.1
		route add ::/0 via fd04:$2::1
	E
	[[ $HOOK != xdp ]] || link_for_xdp "$1" lb
}

# link_for_xdp NAMESPACE INTERFACE: what comes from there has whole checksums, and what XDP sends there is taken.
link_for_xdp() {
	in_ns "$1" ethtool -K "$2" tx off gro on >/dev/null
}

# redirected INTERFACE: packets of the lb's interface that XDP has sent on, of all queues.
redirected() {
	in_ns lb ethtool -S "$1" | awk '/rx_queue_[0-9]+_xdp_redirect:/ { n += $2 } END { print n + 0 }'
}

# at_tc: how the fast path is attached there by this kernel; nothing where it cannot be.
at_tc() {
	if grep ' tcx_prog_attach$' /proc/kallsyms >/dev/null; then
		echo tcx
	elif modprobe -q -a sch_ingress cls_bpf; then
		echo clsact
	fi
}

# lab_up N: client, lb and b1 … bN.
lab_up() {
	local i
	ns_add lb net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
	printf 'address add %s dev lo\n' $VIP/32 $VIP2/32 $VIP6/128 | ns_batch lb
	ns_add client
	link_add client 0
	for ((i = 3; i < 2 + CLIENT_ADDRESSES; i++)); do
		echo "address add 10.4.0.$i/24 dev lb"
	done | ns_batch client
	for ((i = 1; i <= $1; i++)); do
		ns_add "b$i"
		link_add "b$i" "$i"
	done
	[[ $FORWARD != dsr-* ]] || dsr_up "$1"
}

# The backends' names: b1 … bN.
names() {
	local i list=()
	for ((i = 1; i <= $1; i++)); do
		list+=("b$i")
	done
	echo "${list[*]}"
}

# client COMMAND…: in the client's namespace; `lab` is lb4-lab there.
client() {
	in_ns client "$@"
}

lab() {
	in_ns client "$LAB" "$@"
}

# A lab client in the background: its output in $DIR/FILE, its pid in $!.
spawn_lab() {
	local file=$1
	shift
	spawn_in client "$LAB" "$@" >"$DIR/$file" 2>"$DIR/$file.err"
}

backend_ip() {
	echo "10.4.${1#b}.2"
}

backend_ip6() {
	echo "fd04:${1#b}::2"
}

# The options that make a lab client use all client addresses in turn.
from_all() {
	local i
	for ((i = 2; i < 2 + CLIENT_ADDRESSES; i++)); do
		echo "--from 10.4.0.$i"
	done
}

# backend_start NAME…: a lab server with all its ports in each of these namespaces.
backend_start() {
	local name kind ports=()
	for kind in "${!PORT[@]}"; do
		ports+=("$kind=:${PORT[$kind]}")
	done
	for name; do
		: >"$DIR/$name.out"
		spawn_in "$name" "$LAB" serve "$name" "${ports[@]}" >>"$DIR/$name.out" 2>>"$DIR/$name.err" &
		SERVE_PID[$name]=$!
		PIDS+=($!)
		disown $! # no notice when it is killed
	done
	for name; do
		wait_until 5 "$name serves" grep -q ready "$DIR/$name.out"
	done
}

# It stays alive but ill: new connections are closed at once, its page says 503.
backend_ill() {
	kill -USR1 "${SERVE_PID[$1]}"
}

backend_well() {
	kill -USR2 "${SERVE_PID[$1]}"
}

backend_kill() {
	kill -KILL "${SERVE_PID[$1]}"
	wait_until 5 "$1 is dead" is_dead "${SERVE_PID[$1]}"
}

# Nothing from or to the backend arrives any more, and nobody is told.
blackhole() {
	in_ns "$1" nft -f - <<-'E'
		table inet blackhole {
			chain in { type filter hook input priority 0; policy drop; }
			chain out { type filter hook output priority 0; policy drop; }
		}
	E
}

unblackhole() {
	in_ns "$1" nft delete table inet blackhole
}

# lab_remove PID: the namespaces of that shell, and whatever runs in them: all of it is ours.
lab_remove() {
	local name pid
	for name in $(ip netns list | awk -v prefix="lb4-$1-" 'index($1, prefix) == 1 { print $1 }'); do
		for pid in $(ip netns pids "$name"); do
			kill -KILL "$pid" 2>/dev/null || true
		done
		ip netns delete "$name"
	done
}

lab_down() {
	lab_remove $$
}
