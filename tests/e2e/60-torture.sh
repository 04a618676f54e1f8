#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Long streams, every byte of which is checked, while whatever can happen to a balancer happens, drawn by lot:
# backends come, go, are drained, weighted, killed and return, SYNs flood, the fast path is switched off and
# on, the file is reloaded, lb4 is killed and started again. No stream of a backend that lived all the
# time may break; each other one that did is of a backend that was killed while it ran.
# Alone: makes load, and nothing may be mistaken for dead.
# Long: left out unless it is asked for, or everything is run at full length.
#
#   TORTURE=SECONDS for longer than a normal run has; LB4_SEED=N draws the same again.

FORWARD=${FORWARD:-nat}

. "${BASH_SOURCE[0]%/*}/lib.sh"
. "$E2E/lib/pins.sh"
PATH_OWN=1

[[ $FORWARD != splice ]] || skip "spliced connections end with lb4"
LENGTH=${TORTURE:-$(by_scale 0 30 120)}
((LENGTH > 0)) || skip "takes long"
RANDOM=${LB4_SEED:=$((RANDOM * 32768 + RANDOM))}
say "LB4_SEED=$LB4_SEED, $LENGTH s, forward: $FORWARD"

STABLE=(b1 b2 b3)        # live all the time
MORTAL=(b4 b5 b6)        # are killed, not all at once
GUEST=b7                 # is in no file, and comes and goes
MOST_DEAD=2 MOST_WAVES=6
FLOOD=${LB4_RATE:-5000}
SERVICES=(echo echo6)

pins_up
lab_up 7
# The other ends of the flood: what is answered goes nowhere.
ip -n "$(ns client)" route add blackhole 198.18.0.0/15

# $1: a setting that a reload changes
describe() {
	local check="check: {tcp: true, interval: 1s, fast_interval: 200ms, timeout: 1s, fall: 5}"
	config "fastpath: {pins: $PINS, max_flows: 65536}"
	service echo "$VIP" echo "$(names 6)" "$check" "on_down: reset" "tries: $1"
	service echo6 "[$VIP6]" echo "b1@6 b2@6 b3@6 b4@6 b5@6 b6@6" "$check" "on_down: reset" "tries: $1"
}

backend_start b1 b2 b3 b4 b5 b6 b7
describe 3
start_lb4
wait_all_up

# --- Streams ---

declare -A WAVE_SINCE=() WAVE_PID=() # by number
declare -A KILLED_AT=()              # backends, when last, in ms
WAVES=0 STREAMS=0

# wave SECONDS COUNT: the streams of one wave begin now and end then.
wave() {
	WAVES=$((WAVES + 1)) STREAMS=$((STREAMS + $2))
	WAVE_SINCE[$WAVES]=$(now_ms)
	spawn_lab "wave-$WAVES.json" stream --to "$VIP:${PORT[echo]}" --to "[$VIP6]:${PORT[echo]}" --count "$2" \
		--size 1800 --interval 20ms --duration "${1}s" &
	WAVE_PID[$WAVES]=$!
	# Whatever happens next happens to all of them.
	wait_until 5 "wave $WAVES is connected" eval "((\$(connected $!) >= $2))"
}

connected() {
	in_ns client ss -Htnp state established 2>/dev/null | grep -c "pid=$1," || true
}

# wave_end NUMBER: each stream that broke is explained, or is the end.
wave_end() {
	local line name
	finished "${WAVE_PID[$1]}" || true
	unset "WAVE_PID[$1]"
	[[ -s $DIR/wave-$1.json ]] || fail "wave $1 has not told how it was: $(cat "$DIR/wave-$1.json.err")"
	while read -r line; do
		name=$(sed -nE 's/^stream .* to (b[0-9]) broke: .*/\1/p' <<<"$line")
		if [[ ! $name ]] || ((${KILLED_AT[$name]:-0} <= WAVE_SINCE[$1])); then
			fail "wave $1, begun $(($(now_ms) - WAVE_SINCE[$1])) ms ago: $line$(story)"
		fi
		EXPLAINED=$((EXPLAINED + 1))
	done <"$DIR/wave-$1.json.err"
}
EXPLAINED=0

# What has happened, as far as it may be to blame.
story() {
	printf '\n  what was done:\n'
	tail -n 20 "$DIR/done.txt" | sed 's/^/  | /'
}

waves_end() {
	local number
	for number in "${!WAVE_PID[@]}"; do
		if is_dead "${WAVE_PID[$number]}" || [[ ${1:-} == all ]]; then
			wave_end "$number"
		fi
	done
}

# --- What is done to them ---

DEAD=() DRAINED='' ADDED='' DONE=0

note() {
	DONE=$((DONE + 1))
	echo "$(now_ms) $*" >>"$DIR/done.txt"
}

# draw N: sets DRAWN to 0 … N − 1. No subshell, whose numbers would be others.
draw() {
	DRAWN=$((RANDOM % $1))
}

name_in() {
	[[ $1 == echo6 ]] && echo "[$(backend_ip6 "$2")]:${PORT[echo]}" || echo "$(backend_ip "$2"):${PORT[echo]}"
}

order() {
	lbctl "$@" >"$DIR/order.txt" 2>&1 || fail "lbctl $*: $(cat "$DIR/order.txt")$(story)"
}

is_down_everywhere() {
	backend_is echo "$1" '.state == "down"' && backend_is echo6 "$1" '.state == "down"'
}

# All but the dead are up, and the dead are down.
is_settled() {
	local dead
	dead=$(printf '%s\n' "${DEAD[@]}" | jq -Rn '[inputs]')
	lbctl --json backends 2>/dev/null | jq -e --argjson dead "$dead" \
		'all(.backends[]; (.state == "down") == (.name | IN($dead[])) and .state != "unknown")' >/dev/null
}

do_weight() {
	local b service
	draw 6
	b=b$((DRAWN + 1))
	draw 9
	note "weight $b $((DRAWN + 1))"
	for service in "${SERVICES[@]}"; do
		order weight "$service" "$b" "$((DRAWN + 1))"
	done
}

do_drain() {
	local service
	if [[ $DRAINED ]]; then
		note "undrain $DRAINED"
		for service in "${SERVICES[@]}"; do
			order undrain "$service" "$DRAINED"
		done
		DRAINED=''
		return
	fi
	draw ${#STABLE[@]}
	DRAINED=${STABLE[DRAWN]}
	note "drain $DRAINED"
	for service in "${SERVICES[@]}"; do
		order drain "$service" "$DRAINED"
	done
}

do_guest() {
	local service
	if [[ $ADDED ]]; then
		note "remove $GUEST"
		for service in "${SERVICES[@]}"; do
			order remove "$service" $GUEST
		done
		ADDED=''
		return
	fi
	note "add $GUEST"
	for service in "${SERVICES[@]}"; do
		order add "$service" $GUEST "$(name_in "$service" $GUEST)" --weight 2
	done
	ADDED=1
	wait_until 10 "$GUEST is up" is_settled
}

do_kill() {
	local b
	draw ${#MORTAL[@]}
	b=${MORTAL[DRAWN]}
	[[ " ${DEAD[*]} " != *" $b "* ]] && ((${#DEAD[@]} < MOST_DEAD)) || return 0
	note "kill $b"
	KILLED_AT[$b]=$(now_ms)
	backend_kill "$b"
	KILLED_AT[$b]=$(now_ms)
	DEAD+=("$b")
	wait_until 15 "$b is down" is_down_everywhere "$b"
}

do_return() {
	((${#DEAD[@]})) || return 0
	note "return ${DEAD[0]}"
	backend_start "${DEAD[0]}"
	DEAD=("${DEAD[@]:1}")
	wait_until 15 "it is up" is_settled
}

# Those who come meanwhile may be spliced, for want of room: nobody comes until the flood's flows may go.
do_flood() {
	note "flood"
	lab flood --to "$VIP:${PORT[echo]}" --rate "$FLOOD" --duration 2s >"$DIR/flood.json" || fail "no flood"
	sleep 4.5
}

# Spliced ones end before lb4 may be killed.
do_off() {
	note "fastpath off"
	order fastpath off
	wave 2 10
	wave_end $WAVES
	order fastpath on
	note "fastpath on"
}

do_reload() {
	draw 3
	note "reload"
	describe $((DRAWN + 1))
	write_config
	order reload --force
	DRAINED='' ADDED=''
	wait_until 15 "all are known again" is_settled
}

# What was added at run time is not in the file; who has flows there keeps them.
do_restart() {
	note "kill lb4"
	lb4_kill
	draw 2
	((DRAWN)) || wave 8 20
	draw 3
	sleep "$DRAWN"
	start_lb4
	note "lb4 is back"
	DRAINED='' ADDED=''
	wait_until 15 "all are known again" is_settled
}

do_wave() {
	((${#WAVE_PID[@]} < MOST_WAVES)) || return 0
	draw 15
	note "wave of $((DRAWN + 5)) s"
	wave $((DRAWN + 5)) 20
}

# --- Go ---

ACTIONS=(weight weight drain drain guest guest kill kill return return flood off reload restart restart wave wave wave wave)
END=$(($(now_ms) + LENGTH * 1000))
wave $((LENGTH + 60)) 60
LONG=${WAVE_PID[1]}
declare -A COUNT=()
while (($(now_ms) < END)); do
	draw ${#ACTIONS[@]}
	action=${ACTIONS[DRAWN]}
	COUNT[$action]=$((${COUNT[$action]:-0} + 1))
	"do_$action"
	waves_end
	draw 5
	sleep "0.$((2 * DRAWN))"
done
kill -TERM "$LONG"
waves_end all

say "$DONE things were done:$(for action in "${!COUNT[@]}"; do printf ' %s %d' "$action" "${COUNT[$action]}"; done)"
ok "$STREAMS streams in $WAVES waves: $EXPLAINED broke, each of a backend that was killed under it; no other one"
check_equal "packets that were malformed on the way" "$(lbctl --json fastpath | jq .fastpath.packets.malformed)" 0
check_number "packets rewritten since the last start, or before" "$(lbctl --json fastpath | jq .fastpath.packets.forwarded)" '>' 1000
pass
