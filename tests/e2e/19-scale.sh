#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Twice as many connections as there are descriptors for: those that are idle are parked. Nobody
# notices, ends pass, and afterwards nothing is left of any of them.
# Alone: opens as many connections as there are descriptors for.

. "${BASH_SOURCE[0]%/*}/lib.sh"

LIMIT=20000
GIVEN_UP='.end == "resources" or .end == "internal"'
COUNT=$(by_scale 9000 18000 18000)
# Half of the connections would fit.
((COUNT == 18000)) || LIMIT=10000

# Each connection is four sockets, and some memory of clients and servers.
needed=$((COUNT * 60 / 1024 + 500))
((needed < $(awk '/^MemAvailable:/ { print int($2 / 1024) }' /proc/meminfo))) ||
	skip "needs $needed MB of memory"

# scale_up: the lab, and lb4 with that few descriptors.
scale_up() {
	lab_up 3
	backend_start b1 b2 b3
	config "workers: 2"
	service echo "$VIP" echo "b1 b2 b3" \
		"check: {send: hello, expect: b, interval: 500ms}" "on_down: reset" # which an ill one fails
	start_lb4 prlimit --nofile=$LIMIT:$LIMIT
	wait_all_up
}

status() {
	lbctl --json status | jq "$1"
}
is_status() {
	lbctl --json status | jq -e "$1" >/dev/null
}

# Orders go to the crowd by its standard input, and each is answered by a line.
CROWDS=0
crowd_come() {
	local pipe
	CROWDS=$((CROWDS + 1))
	ANSWERS=$DIR/crowd$CROWDS.json
	pipe=$DIR/crowd$CROWDS.orders
	: >"$ANSWERS"
	mkfifo "$pipe"
	spawn_lab "crowd$CROWDS.json" crowd --to "$VIP:${PORT[echo]}" $(from_all) --count "$COUNT" <"$pipe" &
	CROWD=$!
	PIDS+=($!)
	exec {ORDERS}>"$pipe"
	N_ANSWERS=1
	wait_until 60 "all are open" has_answered
}
has_answered() {
	(($(wc -l <"$ANSWERS") >= N_ANSWERS))
}
# crowd_does ORDER…: sets ANSWER.
crowd_does() {
	N_ANSWERS=$((N_ANSWERS + 1))
	echo "$*" >&"$ORDERS"
	wait_until 60 "the crowd has done: $*" has_answered
	ANSWER=$(tail -n 1 "$ANSWERS")
}
answer() {
	jq -c "$1" <<<"$ANSWER"
}
crowd_leaves() {
	exec {ORDERS}>&-
	finished "$CROWD" || fail "the crowd: $(cat "$ANSWERS.err")"
}

# Where connections need none, hardly any descriptors do: nothing of lb4 grows with connections.
without_descriptors() {
	local before lost left
	LIMIT=256
	scale_up
	echo "  $COUNT connections, limit of descriptors $LIMIT"
	memory_before=$(memory_kb) before=$(status .descriptors.used)
	crowd_come
	check_within 5 "all of them are forwarded" eval '(($(lbctl --json services | jq ".services[0].forwarded") == COUNT))'
	check_equal "of them lost" "$(jq -c '[.reset, .closed, .wrong]' "$ANSWERS")" "[0,0,0]"
	check_number "descriptors used more" $(($(status .descriptors.used) - before)) '<' 20
	is_sanitized ||
		check_number "bytes of lb4 a connection" $((($(memory_kb) - memory_before) * 1024 / COUNT)) '<' 256
	check "new ones are served" \
		eval 'lab talk --within 2s "$VIP:${PORT[echo]}" send=hi name recv=hi fin eof >"$DIR/talk.txt"'
	for i in 1 2; do
		crowd_does echo
		check_equal "all speak at once: open, lost" "$(answer '[.open, .reset + .closed + .wrong]')" "[$COUNT,0]"
	done

	# The talk may have met b3 as well.
	lost=$(begun echo b3)
	! grep -q '^name b3' "$DIR/talk.txt" || path_has active || lost=$((lost - 1))
	check_number "connections of b3" "$lost" '>' $((COUNT / 4))
	backend_ill b3
	check_within 10 "b3 is down" backend_is echo b3 '.eligible == false'
	check_log 10 "its connections are logged as backend-down" '.end == "backend-down"' "$lost"
	crowd_does echo # whoever is told nothing hears it now
	check_equal "the crowd has seen as many resets" "$(answer '[.reset, .closed + .wrong]')" "[$lost,0]"
	left=$((COUNT - lost))
	backend_well b3
	wait_all_up
	crowd_does fin 1000
	check_equal "FIN passes both ways" "$(answer .finished)" 1000
	check_log 8 "as is logged" '.end == "done"' 1000
	crowd_does reset 1000
	check_log 8 "resets pass" '.end == "client-reset"' 1000
	left=$((left - 2000))
	crowd_does echo
	check_equal "left, and open" "$(answer '[.open, .wrong]')" "[$left,0]"
	if path_has active; then
		check_within 8 "as lb4 counts" is_status ".active == $left"
		check_equal "listed" "$(lbctl --json connections --limit 10000 | jq '.connections | length')" \
			$((left < 10000 ? left : 10000))
	fi

	# SIGTERM: all of them have a second, then they are reset.
	stop_lb4
	check_log 1 "stopped with them" '.end == "stopped"' "$left"
	path_has log || crowd_does echo
	crowd_does state
	check_equal "open" "$(answer .open)" 0
	crowd_leaves
	pass
}

path_has descriptors || without_descriptors
scale_up
echo "  $COUNT connections, limit of descriptors $LIMIT"
memory_before=$(memory_kb)
crowd_come
check_equal "connections" "$(status .active)" "$COUNT"
check_equal "of them lost" "$(jq -c '[.reset, .closed, .wrong]' "$ANSWERS")" "[0,0,0]"
check_number "parked" "$(status .parked)" '>=' $((COUNT / 2))
check_number "descriptors used" "$(status .descriptors.used)" '<' "$LIMIT"
memory=$(memory_kb)
is_sanitized ||
	check_number "bytes of lb4 a connection" $(((memory - memory_before) * 1024 / COUNT)) '<' 1024
check "new ones are served" \
	eval 'lab talk --within 2s "$VIP:${PORT[echo]}" send=hi name recv=hi fin eof >"$DIR/talk.txt"'

for i in 1 2; do
	crowd_does echo
	check_equal "all speak at once: open, lost" "$(answer '[.open, .reset + .closed + .wrong]')" "[$COUNT,0]"
done

crowd_does fin 1000
check_equal "FIN passes both ways" "$(answer .finished)" 1000
check_within 5 "and ends those connections" is_status ".active == $((COUNT - 1000))"
crowd_does reset 1000
check_within 5 "resets pass" has_ended '.end == "client-reset"' 1000
left=$((COUNT - 2000))
check_equal "left" "$(status .active)" $left

lost=$(backend_value echo b3 active)
check_number "connections of b3" "$lost" '>' $((left / 4))
backend_ill b3
check_within 10 "b3 is down, and its connections are reset" is_status ".active == $((left - lost))"
check_equal "logged as backend-down" "$(ended '.end == "backend-down"')" "$lost"
crowd_does state
check_equal "the crowd has seen as many resets" "$(answer .reset)" "$lost"
left=$((left - lost))

lost=$(backend_value echo b2 active)
lbctl drain echo b2 --timeout 1s >/dev/null
check_within 10 "the drain of b2 is over" is_status ".active == $((left - lost))"
left=$((left - lost))
crowd_does echo
check_equal "b1's are open still" "$(answer '[.open, .wrong]')" "[$left,0]"
lbctl undrain echo b2 >/dev/null
backend_well b3
wait_all_up

crowd_leaves
check_within 10 "all close at once, and all are gone" is_status '.active == 0 and .parked == 0'
descriptors=$(status .descriptors.used)
check_number "descriptors left" "$descriptors" '<' 60
check_equal "connections that lb4 gave up" "$(ended "$GIVEN_UP")" 0

# What the first needed is used again; receive buffers are given back when nobody needs them.
crowd_come
check_equal "a second crowd" "$(status .active)" "$COUNT"
is_sanitized ||
	check_within 25 "takes the memory of the first" eval '(($(memory_kb) < memory + 1024))'
check_equal "is listed" "$(lbctl --json connections --limit 10000 | jq '.connections | length')" \
	$((COUNT < 10000 ? COUNT : 10000))
crowd_does echo
check_equal "open, lost" "$(answer '[.open, .reset + .closed + .wrong]')" "[$COUNT,0]"
kill -KILL "$CROWD"
wait "$CROWD" 2>/dev/null || true
check_within 10 "a crowd that is killed is gone" is_status '.active == 0 and .parked == 0'
check_equal "descriptors left" "$(status .descriptors.used)" "$descriptors"
check_equal "connections that lb4 gave up" "$(ended "$GIVEN_UP")" 0
exec {ORDERS}>&-

# SIGTERM: all of them have a second, then they are reset.
crowd_come
stop_lb4
check_equal "stopped with them" "$(ended '.end == "stopped"')" "$COUNT"
crowd_does state
check_equal "open, reset" "$(answer '[.open, .reset]')" "[0,$COUNT]"
crowd_leaves
pass
