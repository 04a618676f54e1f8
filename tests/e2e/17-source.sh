#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# What backends are connected from: a range of addresses in turn, or the client's own address, and
# what is said when the machine or its routing is not made for that.

. "${BASH_SOURCE[0]%/*}/lib.sh"

path_idle "source addresses are those of sockets"

lab_up 2
for b in b1 b2; do
	cat >"$DIR/nginx-$b.conf" <<-E2
		user root; daemon off; worker_processes 1; pid $DIR/nginx-$b.pid; error_log $DIR/nginx-$b.err;
		events { worker_connections 512; }
		http { access_log off;
			server { listen 8080; listen [::]:8080; location / { return 200 "\$remote_addr\\n"; } } }
	E2
	spawn_in $b nginx -c "$DIR/nginx-$b.conf" -e "$DIR/nginx-$b.err" >>"$DIR/nginx-$b.out" 2>&1 &
	PIDS+=($!)
done

config
service ranged "$VIP:81" 8080 b1 "source_address: [10.9.0.0/30, fd09::/127]"
service mixed "$VIP:82" 8080 "b1 b2@6" "source_address: [10.9.0.0/30, fd09::/127]" "balance: maglev"
write_config
refused() {
	local status=0
	in_ns lb timeout 20 "$LB4" --config "$DIR/lb4.yaml" >"$DIR/refused.out" 2>"$DIR/refused.txt" || status=$?
	((status == 1)) && grep -q "$1" "$DIR/refused.txt"
}
check "an address of somebody else is refused at the start, with the remedy" \
	refused 'source_address 10.9.0.0 is no address of this machine.*ip route add local'
ip -n "$(ns lb)" route add local 10.9.0.0/30 dev lo
check "each range is tried" refused 'source_address fd09:: is no address of this machine'
ip -n "$(ns lb)" -6 route add local fd09::/127 dev lo
start_lb4
wait_until 5 "nginx serves" client curl -sSf "http://$VIP:81/"

# The addresses that backends saw, of so many requests.
seen() {
	local i
	for ((i = 0; i < $2; i++)); do
		client curl -sS "$1"
	done | sort -u | tr '\n' ' '
}
check_equal "a backend sees the range in turn" "$(seen "http://$VIP:81/" 24)" "10.9.0.0 10.9.0.1 10.9.0.2 10.9.0.3 "
check_equal "each family has its own" "$(seen "http://$VIP:82/" 40)" "10.9.0.0 10.9.0.1 10.9.0.2 10.9.0.3 fd09:: fd09::1 "

config
service clear "$VIP:83 [$VIP6]:83" 8080 b1 "source_address: transparent" "connect_timeout: 300ms" "connect_budget: 600ms"
service clear6 "[$VIP6]:84" 8080 b2@6 "source_address: transparent" "connect_timeout: 300ms" "connect_budget: 600ms"
write_config
lbctl reload --force >"$DIR/reload.txt" || fail "$(cat "$DIR/reload.txt")"
check_within 3 "lb4 warns that answers would not come back, and says what is missing" \
	grep -q 'warning: service clear: .*would not come back.*ip rule add fwmark 1 lookup 100' "$DIR/lb4.err"
check "… for IPv6 as well" grep -q 'warning: service clear6: .*ip -6 rule add fwmark 1' "$DIR/lb4.err"
check_not "and they do not" client curl -sS -m 2 "http://$VIP:83/"

for option in "" -6; do
	# shellcheck disable=SC2086 # no word is meant, or one
	ip -n "$(ns lb)" $option rule add fwmark 1 lookup 100
	# shellcheck disable=SC2086
	ip -n "$(ns lb)" $option route add local default dev lo table 100
done
in_ns lb nft -f - <<-'E'
	table inet transparent {
		chain in {
			type filter hook prerouting priority mangle; policy accept;
			meta l4proto tcp socket transparent 1 meta mark set 1
		}
	}
E
: >"$DIR/lb4.err"
lbctl reload >"$DIR/reload.txt" || fail "$(cat "$DIR/reload.txt")"
for ip in 10.4.0.2 10.4.0.7; do
	check_equal "the backend sees the client" "$(client curl -sS --interface $ip "http://$VIP:83/")" $ip
done
check_equal "over IPv6" "$(client curl -sS "http://[$VIP6]:84/")" fd04::2
check_equal "a client of the other family comes from lb4" "$(client curl -sS "http://[$VIP6]:83/")" 10.4.1.1
check_not "no warning is left" grep -q "would not come back" "$DIR/lb4.err"
pass
