#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Quick mode: a listen address and backends on the command line, no file.

. "${BASH_SOURCE[0]%/*}/lib.sh"

path_idle "the command line names no interfaces"

lab_up 2
for b in b1 b2; do
	spawn_in $b redis-server --port 6379 --bind 0.0.0.0 --protected-mode no --save '' --dir "$DIR" >"$DIR/$b-redis.out" 2>&1 &
	PIDS+=($!)
	REDIS=$!
done
disown $REDIS
wait_until 5 "redis answers" eval 'client redis-cli -h 10.4.2.2 ping | grep PONG >/dev/null'
mkdir -p "$DIR/run"
run_lb4 "$LB4" --listen "$VIP:6379" --listen "[$VIP6]:6379" --backend 10.4.1.2:6379 --backend 10.4.2.2:6379 --check redis --socket "$DIR/lb4.sock"
wait_until 5 "lb4 is ready" is_ready
wait_all_up
check_equal "service and backends" "$(lbctl --json backends | jq -r '.backends | map(.service + "/" + .name) | join(" ")')" "default/b1 default/b2"
check_equal "redis through it" "$(client redis-cli -h $VIP ping)" PONG
check_equal "over IPv6" "$(client redis-cli -h $VIP6 ping)" PONG
kill -KILL $REDIS
check_within 8 "the check finds a dead redis" backend_is default b2 '.eligible == false'
for ((i = 0; i < 10; i++)); do
	[[ $(client redis-cli -h $VIP ping) == PONG ]] || fail "a client met the dead one"
done
ok "the other serves"
stop_lb4

# Whatever is wrong on the command line is said at once, with status 2 for words and 1 for values.
complains() {
	local pattern=$1 status=0
	shift
	"$LB4" "$@" >"$DIR/out.txt" 2>&1 </dev/null || status=$?
	((status == 1 || status == 2)) || fail "lb4 $*: status $status"
	grep -qE -- "$pattern" "$DIR/out.txt" || fail "lb4 $*: no '$pattern' in: $(cat "$DIR/out.txt")"
	ok "lb4 $*: $(head -1 "$DIR/out.txt")"
}
complains backend --listen :1
complains listen --backend 1.2.3.4:5
complains 'port|99999' --listen :99999 --backend 1.2.3.4:5
complains 'redis|check' --listen :1 --backend 1.2.3.4:5 --check rediss
complains 'listn|usage' --listn :1
complains 'nothere' --config "$DIR/nothere.yaml"
complains 'nothere' --check "$DIR/nothere.yaml"
PASSED=1
exit 0
