#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# A reload is all or nothing: a faulty file changes nothing and says where its faults are, one that
# takes away most backends must be meant, and what stays keeps its connections, health and drains.

. "${BASH_SOURCE[0]%/*}/lib.sh"

lab_up 4
ip -n "$(ns b1)" address add 10.4.1.3/24 dev lb # another backend at the same port
backend_start b1 b2 b3
CHECK="check: {tcp: true, interval: 300ms, fast_interval: 100ms, rise: 3}"
describe() {
	config
	service echo "$VIP" echo "$1" "$CHECK"
}
describe "b1 b2 b3 b4"
service gone "$VIP:1001" echo "b1"
start_lb4
wait_until 5 "b4, which does not run, is down" backend_is echo b4 '.state == "down"'
wait_until 5 "the others are up" eval 'for b in b1 b2 b3; do backend_is echo $b ".state == \"up\""; done'

spawn_lab stream.json stream --to "$VIP:${PORT[echo]}" --count 40 --duration 6s &
STREAM=$!
beside_start 6 b1 b2
spawn_lab gone.json stream --to "$VIP:1001" --count 5 --duration 6s &
GONE=$!
wait_until 3 "streams run" running 45
lbctl drain echo b3 >/dev/null
lbctl add echo runtime "10.4.1.3:${PORT[echo]}" >/dev/null
wait_until 3 "what was added is up" backend_is echo runtime '.state == "up"'
lbctl --json table echo >"$DIR/table.before"

# refused WHAT PATTERN…: the reload fails, says so, and nothing is different.
refused() {
	local what=$1 pattern status=0
	shift
	lbctl reload >"$DIR/reload.txt" 2>&1 || status=$?
	check_equal "$what: exit status" $status 1
	for pattern in "$@"; do
		grep -qE -- "$pattern" "$DIR/reload.txt" || fail "$what: no '$pattern' in: $(cat "$DIR/reload.txt")"
	done
	lbctl --json table echo | cmp - "$DIR/table.before" || fail "$what: the table changed"
}
describe "b1 b2"
CONFIG+="      b3: {adress: \"10.4.3.2:1\"}"$'\n'"    tires: 3"$'\n'"  web: {listen: [\"1.2.3.4:99999\"], backends: {x: \"1.2.3.4:1\"}}"$'\n'
write_config
refused "a file with three faults" 'lb4.yaml:[0-9]+' adress address tires tries 99999
check_number "lines that name file and line" "$(grep -cE 'lb4.yaml:[0-9]+' "$DIR/reload.txt")" '>=' 3
check_not "lb4 --check says no as well" "$LB4" --check "$DIR/lb4.yaml" 2>"$DIR/check.txt"
check_number "with as many faults" "$(grep -cE 'lb4.yaml:[0-9]+' "$DIR/check.txt")" '>=' 3
check_not "and so does lbctl check" lbctl check "$DIR/lb4.yaml" >/dev/null 2>&1

head -c 150 "$DIR/lb4.yaml" >"$DIR/cut.yaml"
mv "$DIR/cut.yaml" "$DIR/lb4.yaml"
refused "a truncated file" .
rm "$DIR/lb4.yaml"
refused "a file that is not there" 'lb4.yaml'

describe "b1"
service gone "$VIP:1001" echo "b1"
write_config
refused "a file without most of the backends" -- --force
describe "b1 b2 b3 b4"
write_config
refused "a file without one of the services" -- --force

describe "b1 b2 b3 b4"
service gone "$VIP:1001" echo "b1"
service bad "203.0.113.1:80" echo "b1"
write_config
refused "an address that is not this host's" 203.0.113.1

# Now for real: the service `gone` goes, `new` comes, the rest stays what it was.
describe "b1 b2 b3 b4"
service new "$VIP2:1002" echo "b1 b2"
write_config
lbctl reload --force >"$DIR/reload.txt" 2>&1 || fail "reload --force: $(cat "$DIR/reload.txt")"
ok "reload --force"
check "b4 is still known to be down" backend_is echo b4 '.state == "down" and .eligible == false'
check "b3 still drains" backend_is echo b3 '.admin == "draining"'
check "b1 is still known to be up" backend_is echo b1 '.state == "up" and .eligible'
check_not "what was added at run time is gone" backend_is echo runtime true
check "the new service serves" lab talk "$VIP2:1002" send=hi name recv=hi fin eof >/dev/null
lab talk --within 2s "$VIP:1001" end >"$DIR/refused.txt" 2>&1 || true
check "the old one refuses" grep -qi refused "$DIR/refused.txt"
kill -HUP "$LB4_PID"
check_within 2 "SIGHUP reloads as well" eval '(($(lbctl --json status | jq .reloads) == 2))'

# Options of sockets: what a listener accepts has those of the last reload, and backends get theirs.
keepalives() { # PORT FIRST-SECONDS…: how many sockets of lb4 at this port would be kept alive within so long
	in_ns lb ss -Htno state established "( sport = :$1 or dport = :$1 )" | grep -cE "timer:\(keepalive,$2" || true
}
for how in "{idle: 40s}:3[0-9]sec" "{idle: 4000s}:6[56]min"; do
	describe "b1 b2 b3 b4"
	FORWARD=splice service new "$VIP2:1002" echo "b1 b2" "keepalive: ${how%:*}"
	write_config
	lbctl reload >"$DIR/reload.txt" 2>&1 || fail "reload: $(cat "$DIR/reload.txt")"
	spawn_lab keepalive.json stall --to "$VIP2:1002" --count 3 idle &
	IDLE=$!
	wait_file 10 keepalive.json
	check_within 5 "keepalive: ${how%:*}, towards clients" eval "((\$(keepalives 1002 '${how##*:}') == 3))"
	check_within 5 "… and backends" eval "((\$(keepalives ${PORT[echo]} '${how##*:}') == 3))"
	kill -TERM "$IDLE"
	finished "$IDLE" || true
	check_within 5 "they end" eval "((\$(keepalives 1002 '${how##*:}') == 0))"
done
finished "$STREAM" || fail "a stream broke: $(cat "$DIR/stream.json" "$DIR/stream.json.err")"
finished "$GONE" || fail "a stream of the service that was removed broke: $(cat "$DIR/gone.json.err")"
stall_limit 200
check_timing "streams noticed nothing of all this; longest wait, ms" "$(json "$DIR/stream.json" .longest_gap_ms)" '<=' $LIMIT
pass
