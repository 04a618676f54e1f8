#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Backups take over when no other backend is left, and give back: by hand without a broken connection,
# after a crash in time. When everybody fails at once, it is the checks that are doubted.

. "${BASH_SOURCE[0]%/*}/lib.sh"

CHECK='check: {send: "ping", expect: "b", interval: 300ms, fast_interval: 100ms, timeout: 300ms, fall: 2, rise: 2}'

lab_up 4
backend_start b1 b2 b3 b4
config
service short "$VIP" id "b1 b2 b3+backup b4*3+backup" "check: {tcp: true, interval: 300ms, fast_interval: 100ms}" "passive: {fall: 3, hold: 500ms}"
service echo "$VIP" echo "b1 b2 b3+backup b4*3+backup" "$CHECK" "passive: off"
service least "$VIP:1001" echo "b1 b2 b3+backup b4+backup" "$CHECK" "balance: least-connections"
start_lb4
wait_all_up
table() {
	lbctl --json table short | jq -r '.slots[]' >"$1"
}
table "$DIR/before"
check_equal "slots of backups" "$(grep -c 'b[34]' "$DIR/before" || true)" 0
check_matches "lbctl names backups" "$(lbctl backends short)" 'b3 .* backup'

# By hand, under load.
# shellcheck disable=SC2046 # words are meant
spawn_lab load.json short --to "$VIP:${PORT[id]}" $(from_all) --rate 300 --duration "$(patient 6)s" &
LOAD=$!
spawn_lab stream.json stream --to "$VIP:${PORT[echo]}" --count 20 --duration "$(patient 6)s" &
STREAM=$!
wait_until 3 "streams run on the primaries" eval '(($(begun echo b1) + $(begun echo b2) == 20))'
for service in short echo least; do
	lbctl drain $service b1 >/dev/null
done
check_equal "one primary left: backups stand by" "$(backend_value short b3 eligible)" false
for service in short echo least; do
	lbctl drain $service b2 >/dev/null
done
check_equal "none left: backups are in use" "$(backend_value short b3 eligible)" true
check_equal "by weight" "$(backend_value short b4 share | cut -c1-4)" 0.75
check_equal "status names the services" "$(lbctl --json status | jq -c '.on_backups | sort')" '["echo","least","short"]'
check_matches "and people read it" "$(lbctl status)" 'backups +in use, for no other backend is eligible: short echo least'
check "so does the log" grep -q 'service short: no backend is eligible but backups: they take over' "$DIR/lb4.err"
check_matches "explain tells why" "$(lbctl explain short 10.4.0.2:1 --local "$VIP:${PORT[id]}")" 'backend b[34]'
served() {
	(($(backend_value short "$1" connections) > 20))
}
check_within 3 "backups serve" eval 'served b3 && served b4'
spawn_lab backup.json stream --to "$VIP:1001" --count 10 --duration "$(patient 3)s" &
BACKUP=$!
wait_until 3 "streams run on the backups" eval '(($(backend_value least b3 active) == 5 && $(backend_value least b4 active) == 5))'
for service in short echo least; do
	lbctl undrain $service b1 >/dev/null
done
check_equal "a primary is back: backups stand by" "$(backend_value short b4 eligible)" false
check_equal "streams on the backups stay there" "$(backend_value least b3 active)" 5
for service in short echo least; do
	lbctl undrain $service b2 >/dev/null
done
table "$DIR/after"
check "the table is the old one bit for bit" cmp "$DIR/before" "$DIR/after"
finished $LOAD || fail "a connection failed: $(cat "$DIR/load.json")"
finished $STREAM || fail "a stream of a primary broke: $(cat "$DIR/stream.json" "$DIR/stream.json.err")"
finished $BACKUP || fail "a stream of a backup broke: $(cat "$DIR/backup.json" "$DIR/backup.json.err")"
ok "nothing broke when backups took over and gave back"

# Crashed primaries: whoever had no answer yet is served by a backup. `echo` is judged by its check.
backend_kill b1
backend_kill b2
path_has retries || wait_until 4 "both are taken out" eval 'backend_is short b1 ".eligible == false" && backend_is short b2 ".eligible == false"'
lab short --to "$VIP:${PORT[id]}" --rate 100 --duration 2s --timeout 5s >"$DIR/crash.json" ||
	fail "a connection failed: $(cat "$DIR/crash.json")"
ok "no new connection failed after both primaries had crashed"
check_equal "the backups served them" "$(json "$DIR/crash.json" '.by_backend | keys | join(" ")')" "b3 b4"
check_within 4 "the check takes both out, max_eject notwithstanding" \
	eval 'backend_is echo b1 ".eligible == false" && backend_is echo b2 ".eligible == false"'
check_equal "no brake" "$(lbctl --json status | jq -c .brake)" "[]"
backend_start b1 b2
check_within 5 "primaries take back what is theirs" eval 'backend_is short b1 .eligible && backend_is short b2 .eligible'
table "$DIR/after"
check "bit for bit" cmp "$DIR/before" "$DIR/after"

# The checks fail for everybody: fail: open keeps a primary in use.
for b in b1 b2 b3 b4; do
	backend_ill $b
done
down() {
	lbctl --json backends echo | jq -e 'all(.backends[]; .state == "down")' >/dev/null
}
check_within 5 "all checks fail" down
check_within 1 "a primary stays in use" eval 'lbctl --json backends echo | jq -e "[.backends[] | select(.eligible) | .name] | length == 1 and (.[0] | test(\"b[12]\"))" >/dev/null'
check_matches "braked" "$(lbctl --json status | jq -c .brake)" echo
for b in b1 b2 b3 b4; do
	backend_well $b
done
wait_until 5 "all return" all_up

lbctl add short b5 "10.4.4.3:${PORT[id]}" --backup >/dev/null
check_equal "a backup added at run time" "$(backend_value short b5 backup)" true
pass
