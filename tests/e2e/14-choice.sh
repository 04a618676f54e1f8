#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# The choice is what explain says it is, for real connections. A failure moves exactly the dead
# backend's slots, recovery restores the table bit for bit, and the order of the file does not matter.
# Later: asks explain hundreds of times.

. "${BASH_SOURCE[0]%/*}/lib.sh"

COUNT=$(by_scale 100 100 600)
CHECK="check: {tcp: true, interval: 300ms, fast_interval: 100ms, timeout: 300ms}"

lab_up 5
backend_start b1 b2 b3 b4 b5
# $1: backends, in the order of the file
describe() {
	config
	service_each id "$VIP [$VIP6]" id "$1" "$CHECK"
	service sourced "$VIP" greet "$1" "$CHECK" "hash: source"
}
describe "b1 b2 b3*2 b4 b5"
start_lb4
wait_all_up

# $1: the service; every connection of the log is explained anew.
compare_with_explain() {
	local client local_ backend explained n=0
	while read -r client local_ backend; do
		explained=$(lbctl --json explain "$1" "$client" --local "$local_" | jq -r .backend)
		[[ $explained == "$backend" ]] || fail "$client → $local_ went to $backend, explain says $explained"
		n=$((n + 1))
	done < <(jq -r "select(.service == \"$1\") | \"\(.client) \(.local) \(.backend)\"" "$DIR/connections.log")
	check_number "connections of $1 that went where explain says" $n '>=' "$COUNT"
}

# compare_clients SERVICE FIRST-PORT TO WORD…: the same where there is no log, by clients that tell whom they meet.
compare_clients() {
	local service=$1 first=$2 to=$3 from port met i
	shift 3
	for ((i = 0; i < 2 * CLIENT_ADDRESSES; i++)); do
		from=10.4.0.$((2 + i % CLIENT_ADDRESSES)) port=$((first + i))
		lab talk --from "$from" --port $port "$to" "$@" >"$DIR/talk.txt" 2>&1 || fail "$(cat "$DIR/talk.txt")"
		met=$(sed -nE 's/^name ([^ ]+)$/\1/p' "$DIR/talk.txt")
		[[ $met == "$(explains "$service" "$from:$port")" ]] || fail "$from:$port met $met, explain says otherwise"
		echo "$from $met" >>"$DIR/met.$service"
	done
	ok "$i clients of $service went where explain says"
}
# shellcheck disable=SC2046 # words are meant
lab short --to "$VIP:${PORT[id]}" $(from_all) --rate 400 --duration "$((COUNT * 10 / 4))ms" >"$DIR/short.json"
lab short --to "[$VIP6]:${PORT[id]}" --rate 400 --duration 200ms >"$DIR/short6.json"
# shellcheck disable=SC2046
lab short --to "$VIP:${PORT[greet]}" --greet $(from_all) --rate 400 --duration "$((COUNT * 10 / 4))ms" >"$DIR/shorts.json"
if path_has log; then
	wait_until 5 "all lines are in the log" has_ended true $((2 * COUNT + 80))
	compare_with_explain id
	compare_with_explain sourced
	jq -r 'select(.service == "sourced") | "\(.client | sub(":[0-9]+$"; "")) \(.backend)"' "$DIR/connections.log" >"$DIR/met.sourced"
else
	compare_clients id 600 "$VIP:${PORT[id]}" fill=64 name rst
	compare_clients sourced 700 "$VIP:${PORT[greet]}" name rst
fi
check_equal "backends that one client address met, hashed by source" \
	"$(sort -u "$DIR/met.sourced" | cut -d' ' -f1 | uniq -c | awk '{ print $1 }' | sort -rn | head -n 1)" 1

table() {
	lbctl --json table id | jq -r '.slots[]' >"$1"
}
table "$DIR/table.before"
check_equal "slots" "$(wc -l <"$DIR/table.before")" 65537
share() {
	grep -c "^$1$" "$DIR/table.before"
}
check_number "slots of a backend with weight 1 of 6" "$(share b1)" '>=' $((65537 / 6 * 99 / 100))
check_number "slots of one with weight 2" "$(share b3)" '<=' $((65537 / 3 * 101 / 100))

backend_kill b2
check_within 3 "b2 is taken out" backend_is id b2 '.eligible == false'
table "$DIR/table.without"
paste "$DIR/table.before" "$DIR/table.without" >"$DIR/both"
check_equal "slots that b2 still has" "$(grep -c '^b2$' "$DIR/table.without" || true)" 0
check_equal "slots of others that moved" "$(awk '$1 != "b2" && $1 != $2' "$DIR/both" | wc -l)" 0
check_equal "slots of b2 that moved" "$(awk '$1 == "b2" && $2 != "b2"' "$DIR/both" | wc -l)" "$(share b2)"
check_equal "backends that took them" "$(awk '$1 == "b2" { print $2 }' "$DIR/both" | sort -u | tr '\n' ' ')" "b1 b3 b4 b5 "

backend_start b2
check_within 5 "b2 is back" backend_is id b2 '.eligible'
table "$DIR/table.after"
check "the table is the old one bit for bit" cmp "$DIR/table.before" "$DIR/table.after"

describe "b5 b3*2 b1 b4 b2"
write_config
lbctl reload >/dev/null || fail "a reload with another order of backends"
table "$DIR/table.shuffled"
check "the table does not depend on the order" cmp "$DIR/table.before" "$DIR/table.shuffled"
pass
