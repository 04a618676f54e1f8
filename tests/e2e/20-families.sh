#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# IPv4 and IPv6 on either side, both on one wildcard, several addresses for one service.

. "${BASH_SOURCE[0]%/*}/lib.sh"

lab_up 2
backend_start b1 b2
config
service four "$VIP:1001" echo b1
service six "[$VIP6]:1002" echo b1@6
service six-to-four "[$VIP6]:1003" echo b1
service four-to-six "$VIP:1004" echo b1@6
service both ":1005" echo "b1 b2@6"
service several "$VIP:1006 $VIP2:1006 [$VIP6]:1006 $VIP:1007" echo b2
service any-four "0.0.0.0:1008" echo b1
service any-six "[::]:1009" echo b1
start_lb4

# A name, an echo, and a FIN each way.
talks() {
	lab talk "$1" send=hello name recv=hello fin eof >"$DIR/talk.txt" 2>&1 || fail "$1: $(cat "$DIR/talk.txt")"
	ok "$1 reaches $(awk '$1 == "name" && $2 != "ok" { print $2 }' "$DIR/talk.txt")"
}
for to in "$VIP:1001" "[$VIP6]:1002" "[$VIP6]:1003" "$VIP:1004" "$VIP:1005" "[$VIP6]:1005" \
	"$VIP:1006" "$VIP2:1006" "[$VIP6]:1006" "$VIP:1007" "$VIP:1008" "[$VIP6]:1009"; do
	talks "$to"
done
check_not "[::] takes IPv6 alone" lab talk --within 1s "$VIP:1009" send=hello name
check_not "0.0.0.0 takes IPv4 alone" lab talk --within 1s "[$VIP6]:1008" send=hello name

# logged SERVICE FIELD [true]: of the connection over IPv4, or over IPv6.
logged() {
	jq -r "select(.service == \"$1\" and (.local | startswith(\"[\")) == ${3:-false}) | .$2" "$DIR/connections.log"
}
all_accepted() {
	(($(lbctl --json services | jq '[.services[].accepted] | add') == 12))
}
check_within 3 "every connection is counted" all_accepted
check_log 5 "and in the log" '.end == "done"' 12
# The wildcard is spliced on any path.
check_within 5 "those of the wildcard are logged" has_ended '.service == "both" and .end == "done"' 2
check_equal "the IPv4 client of the wildcard, as logged" "$(logged both 'client | sub(":[0-9]+$"; "")')" 10.4.0.2
check_equal "its local address" "$(logged both local)" "$VIP:1005"
check_equal "the IPv6 client of the wildcard" "$(logged both 'client | sub(":[0-9]+$"; "")' true)" "[fd04::2]"
check_equal "its local address" "$(logged both local true)" "[$VIP6]:1005"
check_equal "server of the IPv6 backend" "$(logged four-to-six server)" "[fd04:1::2]:${PORT[echo]}"
pass
