# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# Judging: what holds is printed, the first thing that does not ends the scenario.

CHECKS=0

say() {
	printf '  %s\n' "$*"
}

ok() {
	CHECKS=$((CHECKS + 1))
	say "ok    $*"
}

# Ends the scenario; `finish` in lib.sh shows the logs.
fail() {
	say "FAIL  $*"
	exit 1
}

# check WHAT COMMAND…
check() {
	local what=$1
	shift
	"$@" || fail "$what (failed: $*)"
	ok "$what"
}

check_not() {
	local what=$1
	shift
	if "$@"; then
		fail "$what (succeeded: $*)"
	fi
	ok "$what"
}

check_equal() {
	[[ $2 == "$3" ]] || fail "$1: expected '$3', got '$2'"
	ok "$1: $2"
}

# check_number WHAT VALUE RELATION LIMIT, such as: check_number "longest gap, ms" 12.5 '<=' 200
check_number() {
	[[ $2 =~ ^-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?$ ]] || fail "$1: '$2' is not a number"
	awk "BEGIN { exit !($2 $3 $4) }" || fail "$1: $2, must be $3 $4"
	ok "$1: $2 ($3 $4)"
}

# check_timing WHAT NUMBER OPERATOR NUMBER: judged at full length, on a machine that is kept quiet for
# it; otherwise only told, since a busy machine is no fault of lb4's.
check_timing() {
	if [[ $SCALE == full ]]; then
		check_number "$@"
	else
		say "$1: $2 (wanted $3 $4; judged by --full)"
	fi
}

# check_matches WHAT TEXT REGEX
check_matches() {
	[[ $2 =~ $3 ]] || fail "$1: '$2' does not match '$3'"
	ok "$1"
}

now_ms() {
	local now=$EPOCHREALTIME
	echo $((${now%.*} * 1000 + 10#${now#*.} / 1000))
}

# The pause between two looks, in milliseconds, without starting a process: nobody ever writes to this descriptor.
exec {NEVER}<> <(:)
look_again() {
	local seconds
	printf -v seconds '%d.%03d' $((${1:-20} / 1000)) $((${1:-20} % 1000))
	read -rt "$seconds" -u "$NEVER" || true
}

# How much slower than others this machine is.
PATIENCE=${LB4_PATIENCE:-1}

# holds_within SECONDS COMMAND…: until the command succeeds; that much longer on a machine that is slow. It is processes
# mostly, which others want the machine for too: who has waited for long looks less often.
holds_within() {
	local deadline=$((${EPOCHREALTIME/./} + $1 * PATIENCE * 1000000)) pause=20
	shift
	until "$@"; do
		((${EPOCHREALTIME/./} < deadline)) || return 1
		look_again $pause
		((pause = pause < 100 * PATIENCE ? pause + 10 * PATIENCE : 100 * PATIENCE))
	done
}

# wait_until SECONDS WHAT COMMAND…: needed for going on, but not itself worth a line.
wait_until() {
	local seconds=$1 what=$2
	shift 2
	holds_within "$seconds" "$@" || fail "$what: not within $seconds s ($*)"
}

# patient NUMBER: how long something has to last, for what is looked at meanwhile: as much longer as looks may be.
patient() {
	echo $(($1 * PATIENCE))
}

# paced NUMBER: how much of something there is to be a second: as much less.
paced() {
	echo $(($1 > PATIENCE ? $1 / PATIENCE : 1))
}

# check_within SECONDS WHAT COMMAND…: a claim with a deadline; prints how long it took.
check_within() {
	local seconds=$1 what=$2 start
	shift 2
	start=$(now_ms)
	holds_within "$seconds" "$@" || fail "$what: not within $seconds s ($*)"
	ok "$what ($(($(now_ms) - start)) ms)"
}

# json FILE FILTER
json() {
	jq -r "$2" "$1"
}

# Gone, or a zombie.
is_dead() {
	[[ ! -e /proc/$1 || $(awk '{ sub(/.*\) /, ""); print $1 }' "/proc/$1/stat" 2>/dev/null) == Z ]]
}

# wait_file SECONDS FILE: a background job has written its first line there.
wait_file() {
	wait_until "$1" "$2 gets a line" test -s "$DIR/$2"
}

# finished PID: waits for a background job of ours and gives its exit status.
finished() {
	local status=0
	wait "$1" || status=$?
	return "$status"
}

# Streams past lb4, beside those through it: when they stand still, the machine did.
# beside_start SECONDS BACKEND…
beside_start() {
	local seconds=$1 backend to=()
	shift
	for backend; do
		to+=(--to "$(backend_ip "$backend"):${PORT[echo]}")
	done
	spawn_lab beside.json stream "${to[@]}" --count 20 --duration "${seconds}s" --interval "$(patient 10)ms" &
	BESIDE=$!
}

# stall_limit MS: sets LIMIT to that, or to twice what the streams past lb4 had to wait.
stall_limit() {
	local machine
	finished "$BESIDE" || fail "streams past lb4: $(cat "$DIR/beside.json" "$DIR/beside.json.err")"
	machine=$(json "$DIR/beside.json" '.longest_gap_ms | floor')
	say "longest wait for an echo past lb4: $machine ms"
	LIMIT=$((2 * machine > $1 ? 2 * machine : $1))
}
