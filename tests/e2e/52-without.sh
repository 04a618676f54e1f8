#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Where the fast path cannot be had, lb4 says so once, with the reason, and splices: without one of the rights that it
# takes, on a kernel that does not describe itself, and on one that has no place for the programs.

. "${BASH_SOURCE[0]%/*}/lib.sh"
. "$E2E/lib/pins.sh"

FORWARD=splice # said by service below
RIGHTS="it takes CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN and CAP_NET_RAW"
LACKING="the kernel cannot load the programs"

fast() {
	lbctl --json fastpath | jq -r ".fastpath | $1"
}

# complaints: lines of the log, of the fast path, that somebody must look at.
complaints() {
	grep -cE '^<[0-4]>.*(fast path|pins|interface)' "$DIR/lb4.err" || true
}

# talks ADDRESS…
talks() {
	local to
	for to; do
		lab talk "$to:${PORT[echo]}" send=hi name recv=hi fin eof >"$DIR/talk.txt" 2>&1 || return 1
	done
}

# start_without COMMAND…: that is, lb4 by it.
start_without() {
	: >"$DIR/lb4.err"
	: >"$DIR/connections.log"
	start_lb4 "$@"
	wait_all_up
}

# splices WHAT WHY: all of it, and one line tells of it.
splices() {
	check_equal "$1: the fast path is" "$(fast '"\(.state): \(.error)"')" "unavailable: $2"
	check "new connections are served" talks "$VIP" "$VIP2" "[$VIP6]"
	check_within 3 "by workers" has_ended '.end == "done" and .path == null' 3
	lbctl reload >/dev/null
	check_equal "what the log complains of" "$(complaints)" 1
	check "that it is" grep -qF "<3>lb4: error: the fast path cannot be had: $2; everything is spliced" "$DIR/lb4.err"
}

lab_up 2
backend_start b1 b2
pins_up
config "fastpath: {pins: $PINS}" "interfaces: [to-client, to-b1, to-b2]"
service nat "$VIP" echo "b1 b2" "forward: nat"
service nat6 "[$VIP6]" echo "b1@6 b2@6" "forward: nat"
service dsr "$VIP2" echo "b1 b2" "forward: dsr-ipip"

# CAP_SYS_ADMIN stands for most of them.
for right in bpf net_raw $(by_scale "" "" "perfmon net_admin"); do
	start_without setpriv --bounding-set "-$right,-sys_admin"
	splices "without $right" "$RIGHTS"
	stop_lb4
done

# Types of the kernel, which programs are fitted to.
# shellcheck disable=SC2016 # the inner shell's
start_without unshare --mount sh -c 'mount -t tmpfs tmpfs /sys/kernel/btf && exec "$@"' sh
splices "without BTF" "$LACKING"
check_matches "lbctl says why it cannot be switched on" "$(lbctl fastpath on 2>&1 || true)" "could not be loaded.*$LACKING"
check_matches "lbctl status too" "$(lbctl status)" "fast path +unavailable: $LACKING"
stop_lb4

# The other way round: nothing is spliced, unless this kernel has no place for programs at tc, which is told of each
# interface.
start_without
check_equal "with all of it the fast path is" "$(fast .state)" on
hook=$(at_tc)
check_equal "attached at" "$(fast '[.interfaces[].hook] | unique | map(. // "nothing") | join(" ")')" "${hook:-nothing}"
check "new connections are served" talks "$VIP" "[$VIP6]"
check_within 3 "by" has_ended '.end == "done" and .path == '"$([[ $hook ]] && echo '"nat"' || echo null)" 2
lbctl reload >/dev/null
if [[ $hook ]]; then
	check_equal "what the log complains of" "$(complaints)" 0
else
	check_equal "what the log complains of, of each interface" "$(grep -c '<3>.* interface .*: the fast path cannot be attached: .*; what comes in there is spliced' "$DIR/lb4.err")" 3
	pass
fi

# Who may load no programs cannot take over those that there are.
lb4_kill
start_without setpriv --bounding-set "-bpf,-sys_admin"
check "programs that an earlier start has left are told of" \
	grep -q "<3>.*everything is spliced, but for what the programs of an earlier start still forward, which are pinned in $PINS" "$DIR/lb4.err"
stop_lb4
PASSED=1
