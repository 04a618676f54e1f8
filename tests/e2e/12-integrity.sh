#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Every byte right, every FIN and RST seen as such on the other side: transfers of 0 to 4 MB each way
# with random chunks, pauses, half-closes and resets from either side. lb4's log must tell the same
# story as the two ends.
# Later: moves as much as it can.

. "${BASH_SOURCE[0]%/*}/lib.sh"

COUNT=${LB4_TRANSFERS:-$(paced "$(by_scale 400 2000 4000)")}

lab_up 3
backend_start b1 b2 b3
config
service_each hammer "$VIP [$VIP6]" hammer "b1 b2 b3@6"
start_lb4

lab hammer --to "$VIP:${PORT[hammer]}" --to "[$VIP6]:${PORT[hammer]}" --count "$COUNT" \
	--concurrency "$(paced 48)" --timeout "$(patient 30)s" ${LB4_SEED:+--seed "$LB4_SEED"} "$DIR"/b[123].out >"$DIR/hammer.json" \
	2>"$DIR/hammer.err" || fail "$(cat "$DIR/hammer.err" "$DIR/hammer.json")"
say "$(json "$DIR/hammer.json" '"seed \(.seed): \(.transfers) transfers, \((.bytes_up + .bytes_down) / 1e6 | floor) MB, \(.seconds) s, kinds \(.kinds)"')"
check_equal "violations" "$(json "$DIR/hammer.json" .violations)" 0
for b in b1 b2 b3; do
	check_number "transfers of $b" "$(json "$DIR/hammer.json" ".by_backend.$b.count")" '>' $((COUNT / 6))
done

# The log against the ends' own count.
if path_has log; then
	check_within 8 "every transfer has its line in the log" has_ended true "$COUNT"
	check_equal "lines in the log" "$(ended true)" "$COUNT"
	check_equal "ended by FIN from both" "$(ended '.end == "done"')" "$(json "$DIR/hammer.json" .done)"
	check_equal "ended by the client's reset" "$(ended '.end == "client-reset"')" "$(json "$DIR/hammer.json" .client_reset)"
	check_equal "ended by the server's reset" "$(ended '.end == "server-reset"')" "$(json "$DIR/hammer.json" .server_reset)"
	for way in bytes_in:bytes_up bytes_out:bytes_down; do
		check_equal "${way%:*} of those that ended by FIN" \
			"$(jq -s "[.[] | select(.end == \"done\") | .${way%:*}] | add" "$DIR/connections.log")" \
			"$(json "$DIR/hammer.json" ".${way#*:}")"
	done
fi

# sum FIELD, over all services
sum() {
	lbctl --json services | jq "[.services[].$1] | add"
}
took_all() {
	(($(sum forwarded) == COUNT))
}
if [[ $FORWARD != splice ]]; then
	check_within 3 "the fast path took every transfer" took_all
	check_equal "lines of workers in the log" "$(ended '.path != "nat"')" 0
	pass
fi

# The mover under test did it.
spliced=$(sum bytes_spliced)
changes=$(sum relay_changes)
say "$((spliced / 1000000)) MB were spliced, connections changed $changes times between copying and splicing"
case $RELAY in
copy) check_equal "bytes spliced" "$spliced" 0 ;;
restless) check_number "changes between movers, per transfer" "$(awk "BEGIN { print $changes / $COUNT }")" '>' 1 ;;
*) check_number "bytes spliced" "$spliced" '>' 0 ;;
esac
pass
