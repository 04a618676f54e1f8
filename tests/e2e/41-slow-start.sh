#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# A backend that comes back takes up its weight step by step: its slots alone move, at the end the table
# is the old one bit for bit. lb4's own start and a reload begin nothing slowly.

. "${BASH_SOURCE[0]%/*}/lib.sh"

CHECK="check: {tcp: true, interval: 300ms, fast_interval: 100ms, timeout: 300ms}"

lab_up 3
backend_start b1 b2 b3
config
service slots "$VIP" id "b1 b2 b3" "$CHECK" "slow_start: 4500ms"
service turns "$VIP:1001" echo "b1 b2 b3" "$CHECK" "slow_start: 4500ms" "balance: round-robin"
start_lb4
wait_all_up
ramping() {
	lbctl --json backends "$1" | jq '[.backends[] | select(.slow_start_percent != null)] | length'
}
check_equal "slow starts after lb4's own start" "$(ramping slots)" 0
table() {
	lbctl --json table slots | jq -r '.slots[]' >"$1"
}
table "$DIR/before"

backend_kill b2
wait_until 4 "b2 is out" backend_is slots b2 '.eligible == false'
wait_until 4 "b2 is out of the turns, too" backend_is turns b2 '.eligible == false'
table "$DIR/without"
# shellcheck disable=SC2046 # words are meant
spawn_lab short.json short --to "$VIP:${PORT[id]}" $(from_all) --rate 300 --duration 9s &
SHORT=$!
backend_start b2
check_within 5 "b2 comes back slowly" backend_is slots b2 '.eligible and .slow_start_percent != null'
check_matches "lbctl shows it" "$(lbctl backends slots)" 'up, slow start [1-9]0%'
check_number "its share of the slots at first" "$(backend_value slots b2 share)" '<' 0.2
check_number "not nothing" "$(backend_value slots b2 share)" '>' 0.005
check_within 3 "and of the turns" backend_is turns b2 '.eligible and .slow_start_percent != null and .share < 0.3'

last=0
while share=$(backend_value slots b2 share) && [[ $(ramping slots) == 1 ]]; do
	awk "BEGIN { exit !($share >= $last) }" || fail "the share shrank from $last to $share"
	last=$share
	table "$DIR/step"
	moved=$(paste "$DIR/before" "$DIR/without" "$DIR/step" | awk '$3 != $2 && ($3 != "b2" || $1 != "b2")' | wc -l)
	[[ $moved == 0 ]] || fail "$moved slots moved that are not b2's"
	look_again
done
ok "its share only grew, to $last, and only slots of its own moved"
check_number "a slow start has steps" "$(grep -c 'service slots: .* slots have moved' "$DIR/lb4.err")" '>=' 9
check_within 3 "afterwards it is whole" backend_is slots b2 '.slow_start_percent == null'
table "$DIR/after"
check "the table is the old one bit for bit" cmp "$DIR/before" "$DIR/after"
finished $SHORT || fail "a connection failed: $(cat "$DIR/short.json")"
ok "no connection failed meanwhile"

wait_until 8 "the turns are whole, too" backend_is turns b2 '.slow_start_percent == null and .share > 0.33'
lbctl reload >/dev/null || fail "a reload"
check_equal "slow starts after a reload" "$(ramping slots) $(ramping turns)" "0 0"
lbctl drain slots b3 >/dev/null
lbctl undrain slots b3 >/dev/null
check_equal "slow starts after undrain" "$(ramping slots)" 1
lbctl disable slots b1 >/dev/null
lbctl disable slots b2 >/dev/null
check_equal "one that is left alone takes everything at once" \
	"$(ramping slots) $(lbctl --json backends slots | jq '.backends[] | select(.name == "b3") | .share == 1')" "0 true"
lbctl enable slots b1 >/dev/null
check_equal "the next begins slowly beside it" "$(ramping slots)" 1
lbctl enable slots b2 >/dev/null
lbctl add slots new "$(backend_ip b1):7001" 2>/dev/null && fail "an address twice"
lbctl remove slots b1 >/dev/null
lbctl add slots new "$(backend_ip b1):${PORT[id]}" >/dev/null
check_within 3 "an added backend begins slowly" backend_is slots new '.eligible and .slow_start_percent != null'
pass
