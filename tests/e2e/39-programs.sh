#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Checks that are programs: they decide, say why, are told where to look, and leave nothing behind,
# neither when they hang nor when lb4 stops. Checks of another port or address go there.

. "${BASH_SOURCE[0]%/*}/lib.sh"

lab_up 2
backend_start b1 b2
cat >"$DIR/page.sh" <<-'E2'
	#!/bin/sh
	# A page of the server it is told, by IPv4 or IPv6.
	[ $LB4_FAMILY = ipv6 ] && LB4_ADDRESS="[$LB4_ADDRESS]"
	exec curl -sSf -o /dev/null --max-time 5 "http://$LB4_ADDRESS:$LB4_PORT$1"
E2
# Says who runs, and hangs with a helper as long as there is a file.
cat >"$DIR/hang.sh" <<-E2
	#!/bin/sh
	echo \$\$ >>"$DIR/pids"
	[ -e "$DIR/hang" ] || exit 0
	sleep 1234 & echo \$! >>"$DIR/pids"
	echo hanging
	wait
E2
chmod +x "$DIR"/*.sh
: >"$DIR/pids"
TIMES="interval: 300ms, fast_interval: 100ms, timeout: 300ms, rise: 2, fall: 3"
SLOW="interval: 3s, fast_interval: 200ms, timeout: 3s"
config
service page "$VIP:1001" http "b1 b2@6" "check: {exec: [$DIR/page.sh, /healthz], $SLOW}" "max_eject: 100%"
service hang "$VIP:1002" echo b1 "check: {exec: $DIR/hang.sh, $TIMES}" "max_eject: 100%"
service missing "$VIP:1003" echo b1 "check: {exec: [$DIR/nothing, 1], $TIMES}"
# The echo server of b1 is checked by its web server; both backends by the one of b2.
service port "$VIP:1004" echo "b1 b2" "check: {http: /healthz, port: ${PORT[http]}, $TIMES}" "max_eject: 100%"
service agent "$VIP:1005" echo "b1 b2" "check: {http: /healthz, address: 10.4.2.2, port: ${PORT[http]}, $TIMES}" "max_eject: 100%"
start_lb4
is() { # SERVICE BACKEND STATE
	backend_is "$1" "$2" ".state == \"$3\""
}
check_within 8 "a program finds b1 up by IPv4" is page b1 up
check_within 8 "and b2 by IPv6" is page b2 up
check_within 3 "a program that is not there fails" is missing b1 down
check_equal "and says so" "$(backend_value missing b1 last_error)" "exec: No such file or directory"
check_within 3 "a check of another port finds the server that is there" is port b1 up
check_within 3 "one of another address finds that" is agent b1 up
check_equal "its target is shown" "$(backend_value agent b1 check_address)" "10.4.2.2:${PORT[http]}"
check_equal "as is the port" "$(backend_value port b1 check_address)" "10.4.1.2:${PORT[http]}"
OWN=${PORT[echo]}
[[ $FORWARD != dsr-* ]] || OWN=1002 # it has the listen address's
check_equal "and a check of the backend's own" "$(backend_value hang b1 check_address)" "10.4.1.2:$OWN"

backend_ill b2
check_within 8 "an ill b2: the program of b2 finds it" is page b2 down
check_matches "and its words are shown" "$(backend_value page b2 last_error)" "^exit status 22: curl: .* 503"
check_within 3 "by another port it is found as well" is port b2 down
check "while b1 is up" is port b1 up
check_within 3 "by another address both are down" eval 'is agent b1 down && is agent b2 down'
backend_well b2
check_within 8 "and up with it" eval 'is agent b1 up && is agent b2 up && is page b2 up'

check "clients are served on a port that nobody checks" lab talk "$VIP:1004" send=hi name recv=hi fin eof >/dev/null

check_within 3 "what may hang is up while it does not" is hang b1 up
descriptors() {
	find "/proc/$LB4_PID/fd" -maxdepth 1 | wc -l
}
: >"$DIR/hang"
check_within 5 "hanging programs take it down" is hang b1 down
check_equal "because of" "$(backend_value hang b1 last_error)" "the program has not ended within 300ms"
rm "$DIR/hang"
check_within 5 "it is up when they no longer hang" is hang b1 up
# Those of the last check may be there.
gone() {
	local pid n=0
	for pid in $(cat "$DIR/pids"); do
		is_dead "$pid" || n=$((n + 1))
	done
	((n <= 1))
}
check_within 5 "of $(wc -l <"$DIR/pids") processes none is left, helpers included" gone
children() {
	cat "/proc/$LB4_PID/task"/*/children 2>/dev/null
}
no_zombie() {
	local pid
	for pid in $(children); do
		[[ $(awk '{ sub(/.*\) /, ""); print $1 }' "/proc/$pid/stat" 2>/dev/null) != Z ]] || return 1
	done
}
check_within 2 "and no zombie" no_zombie

# However many checks have passed, descriptors stay the same.
many() {
	(($(wc -l <"$DIR/pids") >= $1))
}
few() {
	(($(descriptors) <= $1))
}
before=$(descriptors)
wait_until 20 "forty more programs" many $(($(wc -l <"$DIR/pids") + 40))
check_within 5 "after forty more lb4 has no more than $((before + 12)) descriptors" few $((before + 12))

: >"$DIR/hang"
wait_until 5 "programs hang" many $(($(wc -l <"$DIR/pids") + 2))
stop_lb4
all_gone() {
	local pid
	while read -r pid; do
		is_dead "$pid" || return 1
	done <"$DIR/pids"
}
check_within 3 "lb4 has stopped, and so has what it ran" all_gone
pass
