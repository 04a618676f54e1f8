#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# The brake: with fail: open no more than max_eject of a service is taken out, since a mass failure is
# more likely an error of the checks; with fail: closed all are, and clients are told.

. "${BASH_SOURCE[0]%/*}/lib.sh"

lab_up 4
backend_start b1 b2 b3 b4
CHECK='check: {send: "ping", expect: "b", interval: 300ms, fast_interval: 100ms, timeout: 300ms, fall: 2, rise: 2}'
config
service open "$VIP:1001" echo "b1 b2 b3 b4" "$CHECK" "max_eject: 50%" "fail: open" "passive: off"
path_idle_service closed "all of its backends fail: nobody is served"
service closed "$VIP:1002" echo "b1 b2 b3 b4" "$CHECK" "max_eject: 50%" "fail: closed"
service some "$VIP:1003" echo "b1 b2 b3 b4" "$CHECK" "max_eject: 25%" "fail: open"
start_lb4
wait_all_up

count() {
	lbctl --json backends "$1" | jq "[.backends[] | select($2)] | length"
}
counted() {
	[[ $(count "$1" "$2") == "$3" ]]
}
for b in b1 b2 b3 b4; do
	backend_ill $b
done
check_within 4 "all four fail their checks" eval "counted open '.state == \"down\"' 4 && counted closed '.state == \"down\"' 4 && counted some '.state == \"down\"' 4"
check_within 1 "open, 50 %: two stay in use" counted open .eligible 2
check_equal "and are shown as braked" "$(count open .braked)" 2
check_equal "open, 25 %: three stay in use" "$(count some .eligible)" 3
check_equal "closed: none stays" "$(count closed .eligible)" 0
check "the log says that nobody serves" grep -q 'error: service closed: no backend is eligible' "$DIR/lb4.err"
check_matches "status names the services whose brake holds" "$(lbctl --json status | jq -c '.brake | sort')" 'closed.*open.*some'
check "and so does its text for people" eval 'lbctl status | grep -i brake >/dev/null'

lab talk --within 2s "$VIP:1002" end >"$DIR/closed.txt" 2>&1 || fail "$(cat "$DIR/closed.txt")"
check "closed: a client is reset" grep -q 'ended with a reset' "$DIR/closed.txt"
check_within 2 "logged as no-backend" has_ended '.service == "closed" and .end == "no-backend"'
for b in b1 b2 b3 b4; do
	backend_well $b
done
check_within 4 "all return" eval "counted open .eligible 4 && counted closed .eligible 4 && counted some .eligible 4"
check_equal "the brake is off" "$(lbctl --json status | jq -c .brake)" "[]"
check "and that somebody serves again" grep -q 'service closed: serves new clients again' "$DIR/lb4.err"
check_number "changes were logged" "$(grep -ciE 'max_eject|brake' "$DIR/lb4.err")" '>' 0
lab talk "$VIP:1002" send=hello name recv=hello fin eof >/dev/null || fail "closed does not serve again"
ok "closed serves again"
pass
