#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# How connections end: half-closed ones carry on, idle, half-closed and old ones are ended by their
# limits and by nothing else, and the log gives each its one reason.

. "${BASH_SOURCE[0]%/*}/lib.sh"

lab_up 1
backend_start b1
config
service count "$VIP" count b1
service plain "$VIP" echo b1
service idle "$VIP:1001" echo b1 "idle_timeout: 1s"
service half "$VIP:1002" open b1 "half_closed_timeout: 1s"
service aged "$VIP:1003" echo b1 "lifetime: 1500ms"
service dead "$VIP:1004" echo b1 "user_timeout: 1s"
service abort "$VIP" abort b1
service deaf "$VIP" deaf b1
start_lb4

# talks WHAT WORD…
talks() {
	local what=$1
	shift
	lab talk "$@" >"$DIR/talk.txt" 2>&1 || fail "$what: $(tr '\n' ' ' <"$DIR/talk.txt")"
	ok "$what"
}
took() {
	awk -v step="$1" '$1 == step && $2 == "ok" { ms = $3 } END { print ms }' "$DIR/talk.txt"
}

talks "the answer comes after the client's FIN" "$VIP:${PORT[count]}" fill=3000000 fin "recv=3000000 bytes" eof
check_log 2 "logged as done by both" '.service == "count" and .end == "done" and .party == "both" and .bytes_in == 3000000 and .bytes_out == 14'
talks "the client's reset" "$VIP:${PORT[echo]}" send=hi name recv=hi rst
check_log 2 "logged as client-reset by the client" '.end == "client-reset" and .party == "client"'
talks "the server's reset reaches the client" "$VIP:${PORT[abort]}" send=hi reset
check_log 2 "logged as server-reset by the server" '.end == "server-reset" and .party == "server"'

if path_has limits; then
	talks "an idle connection is ended" --within 6s "$VIP:1001" send=hi name recv=hi end
	check_number "after idle_timeout, ms" "$(took end)" '>=' 950
	check_number "and soon, ms" "$(took end)" '<=' "$(soon_after 1600)"
	check_within 2 "logged as idle-timeout by lb4" has_ended '.end == "idle-timeout" and .party == "lb4"'
else
	talks "an idle connection lives on" "$VIP:1001" send=hi name recv=hi quiet=2500ms send=ho recv=ho fin eof
fi
talks "one that moves now and then is not" --within 4s "$VIP:1001" send=a name recv=a quiet=700ms send=b recv=b quiet=700ms send=c recv=c quiet=700ms send=d recv=d fin eof
check_ended "ended by idle_timeout so far" '.end == "idle-timeout"' 1

if path_has limits; then
	talks "a half-closed connection is ended" --within 6s "$VIP:1002" send=hi name recv=hi fin end
	check_number "after half_closed_timeout, ms" "$(took end)" '>=' 950
	check_number "and soon, ms" "$(took end)" '<=' "$(soon_after 1600)"
	check_within 2 "logged as half-closed-timeout" has_ended '.end == "half-closed-timeout"'
else
	talks "a half-closed connection lives on" "$VIP:1002" send=hi name recv=hi fin quiet=2500ms
fi
talks "without FIN it would have lived" "$VIP:1002" send=hi name recv=hi quiet=1500ms send=ho recv=ho rst

# By the splicer, where nobody else knows how old a connection is.
talks "an old connection is ended though it moves" --within 8s "$VIP:1003" send=a name recv=a quiet=600ms send=b recv=b quiet=600ms send=c recv=c end
check_within 2 "logged as lifetime" has_ended '.end == "lifetime" and .duration_ms >= 1450 and .duration_ms <= '"$(soon_after 2000)"

if path_has user_timeout; then
	spawn_lab dead.txt talk --within "$(patient 15)s" "$VIP:1004" send=hi name recv=hi quiet=$(patient 500)ms send=lost end &
	TALK=$!
	wait_until 3 "the talk has begun" grep -q 'recv ok' "$DIR/dead.txt"
	blackhole b1
	finished "$TALK" || fail "$(cat "$DIR/dead.txt" "$DIR/dead.txt.err")"
	unblackhole b1
	check "a server that stops answering ends the connection with a reset" grep -q 'ended with a reset' "$DIR/dead.txt"
	check_within 2 "logged as server-timeout" has_ended '.service == "dead" and .end == "server-timeout" and .party == "server"'
fi

check_equal "log lines that lack a field" "$(jq -c 'select(
	(.time and .service and .client and .local and .end and .party and (.tries | type) == "number"
	and has("backend") and has("server") and has("connect_us") and (.duration_ms | type) == "number"
	and (.bytes_in | type) == "number" and (.bytes_out | type) == "number") | not)' "$DIR/connections.log" | wc -l)" 0
pass
