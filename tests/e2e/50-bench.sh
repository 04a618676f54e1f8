#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# The benchmark still runs: each kind of work once, for a moment, through lb4, through its fast path and
# without a balancer, and packets through the program.
# No trial fails and no figure is missing; what the figures are is not judged.
# Alone: makes load.

. "${BASH_SOURCE[0]%/*}/lib.sh"

path_is splice

! is_sanitized || skip "figures of a sanitizer's build are of no use"
python3 "$ROOT/tests/bench/bench" --smoke --build "$BUILD" --json "$DIR/results.json" \
	>"$DIR/bench.txt" 2>&1 || fail "$(tail -n 20 "$DIR/bench.txt")"
ok "no trial failed"
check_equal "systems" "$(jq -r '[.trials[].system] | unique | join(" ")' "$DIR/results.json")" "direct lb4 lb4-nat"
check_equal "kinds of work" "$(jq -r '[.trials[].work | sub("-.*"; "")] | unique | join(" ")' "$DIR/results.json")" "bulk pingpong short"
check_equal "cases of packets through nat" "$(jq -r '[.packets.cases[] | select(.name | startswith("nat"))] | length' "$DIR/results.json")" 2
pass
