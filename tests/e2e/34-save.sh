#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# What was changed at run time is shown as drift, saved into the file without touching the rest of it,
# and is what a restart begins with. An edit that lb4 has not read is never written over.

. "${BASH_SOURCE[0]%/*}/lib.sh"

lab_up 4
backend_start b1 b2 b3 b4
E=${PORT[echo]} I=${PORT[id]}
FORWARDED= INTERFACES=
if [[ $FORWARD != splice ]]; then
	FORWARDED=$'\n'"    forward: $FORWARD" INTERFACES="interfaces: $(at_hook $(interfaces))"$'\n'
fi
CONFIG="# The load balancer of the lab — übersichtlich
admin: {socket: $DIR/lb4.sock}
stop_timeout: 1s
${INTERFACES}services:
  web:   # the first
    listen: \"$VIP:$E\"$FORWARDED
    backends:
      b1: \"10.4.1.2:$E\"   # rack 1
      # rack 2 is slow
      b2: {address: \"10.4.2.2:$E\", weight: 2}  # two
      b3:
        address: 10.4.3.2:$E # bare

    # after the backends
    tries: 2
  flow: {listen: \"$VIP:$I\", backends: {b1: \"10.4.1.2:$I\", b2: \"10.4.2.2:$I\"}} # end
"
mkdir "$DIR/etc"
write_config "$DIR/etc/real.yaml"
chmod 640 "$DIR/etc/real.yaml"
chown 12:34 "$DIR/etc/real.yaml"
ln -s etc/real.yaml "$DIR/lb4.yaml"
run_lb4 "$LB4" --config "$DIR/lb4.yaml"
wait_until 10 "lb4 is ready" is_ready
spawn_lab stream.json stream --to "$VIP:$E" --count 20 --duration 100s &
STREAM=$!
wait_until 5 "streams run" running 20

check "no drift" grep -q 'no drift' <(lbctl drift)
lbctl save >"$DIR/out.txt"
check "nothing to save" grep -q 'nothing to save' "$DIR/out.txt"
check "and nothing is written" cmp "$DIR/etc/real.yaml" <(printf '%s' "$CONFIG")

lbctl add web b4 "10.4.4.2:$E" --weight 3 >/dev/null
lbctl remove web b1 >/dev/null
lbctl weight web b3 5 >/dev/null
lbctl weight flow b1 4 >/dev/null
lbctl drain web b2 >/dev/null
lbctl drift | sed 's/^/  | /'
check_equal "drift" "$(lbctl --json drift | jq -c '[.drift[] | [.service, .backend, .kind]]')" \
	'[["web","b3","changed"],["web","b4","added"],["web","b1","removed"],["flow","b1","changed"]]'
check_equal "counted" "$(lbctl --json status | jq .drift)" 4
check "backends say how" grep -q 'weight 1 in the file' <(lbctl backends web)
table() {
	lbctl --json table "$1" | jq -r '.slots[]'
}

# lb4 refuses what it cannot do, and the file stays as it is.
refused() {
	local status=0
	lbctl save >"$DIR/out.txt" 2>&1 || status=$?
	check_equal "$1: refused" $status 1
	grep -qE -- "$2" "$DIR/out.txt" || fail "$1: no '$2' in: $(cat "$DIR/out.txt")"
	cmp -s "$DIR/etc/real.yaml" "$DIR/kept" || fail "$1: the file has changed"
	check_equal "$1: nothing is left beside it" "$(ls "$DIR/etc")" real.yaml
}
sed 's/tries: 2/tries: 3/' "$DIR/etc/real.yaml" >"$DIR/kept"
cat "$DIR/kept" >"$DIR/etc/real.yaml"
refused "an edit that was not read" 'was edited since'
check "drift tells of it" grep -q 'was edited since lb4 read it' <(lbctl drift)
printf '%s' "$CONFIG" >"$DIR/etc/real.yaml"
cp "$DIR/etc/real.yaml" "$DIR/kept"

lbctl save --dry-run >"$DIR/diff.txt"
sed 's/^/  | /' "$DIR/diff.txt"
check "a dry run writes nothing" cmp "$DIR/etc/real.yaml" "$DIR/kept"
cp "$DIR/kept" "$DIR/patched"
sed "s,$DIR/lb4.yaml,patched,; s,$DIR/lb4.yaml,patched," "$DIR/diff.txt" |
	(cd "$DIR" && patch -s -p0 patched) || fail "patch does not take the diff"

lbctl save >"$DIR/out.txt" 2>&1 || fail "save: $(cat "$DIR/out.txt")"
check "save says so" grep -q "saved .*: 4 backends" "$DIR/out.txt"
check_equal "save is an event" "$(lbctl --json events | jq 'select(.kind == "save").data.backends')" 4
check "what was saved is what the dry run said" cmp "$DIR/etc/real.yaml" "$DIR/patched"
check_equal "mode and owner" "$(stat -c '%a %u %g' "$DIR/etc/real.yaml")" "640 12 34"
check "the link is a link" test -L "$DIR/lb4.yaml"
want=${CONFIG/      b1: \"10.4.1.2:$E\"   # rack 1$'\n'/}
added="        weight: 5
      b4:
        address: \"10.4.4.2:$E\"
        weight: 3
"
want=${want/10.4.3.2:$E # bare$'\n'/10.4.3.2:$E # bare$'\n'$added}
want=${want/\{b1: \"10.4.1.2:$I\"/\{b1: \{address: \"10.4.1.2:$I\", weight: 4\}}
check "only the backends' lines are others" diff -u <(printf '%s' "$want") "$DIR/etc/real.yaml"
check_equal "no drift is left" "$(lbctl --json status | jq .drift)" 0
lbctl undrain web b2 >/dev/null
for s in web flow; do
	table $s >"$DIR/$s.before"
done
check "a plan of the file changes nothing" grep -q 'nothing changes' <(lbctl plan)
check_equal "a reload moves nothing" "$(lbctl --json reload | jq .changes.slots_moved)" 0
kill -TERM "$STREAM"
finished "$STREAM" || fail "a stream broke: $(cat "$DIR/stream.json" "$DIR/stream.json.err")"

stop_lb4
run_lb4 "$LB4" --config "$DIR/lb4.yaml"
wait_until 10 "lb4 is ready again" is_ready
for s in web flow; do
	table $s >"$DIR/$s.after"
	check "the table of $s after a restart" cmp "$DIR/$s.before" "$DIR/$s.after"
done
check "b4 serves" lab talk "$VIP:$E" send=hi name recv=hi fin eof >/dev/null

# Without a file there is nothing to save to; drift is told all the same.
stop_lb4
run_lb4 "$LB4" --listen "$VIP:$E" --backend "10.4.1.2:$E" --backend "10.4.2.2:$E" --socket "$DIR/lb4.sock"
wait_until 10 "lb4 is ready in quick mode" is_ready
lbctl weight default b1 2 >/dev/null
check_equal "drift in quick mode" "$(lbctl --json status | jq .drift)" 1
status=0
lbctl save >"$DIR/out.txt" 2>&1 || status=$?
check_equal "save in quick mode" $status 1
check "says why" grep -q 'started without a file' "$DIR/out.txt"
check "a plan of a file works" grep -q 'service web is added' <(lbctl plan "$DIR/etc/real.yaml" 2>&1 || true)
pass
