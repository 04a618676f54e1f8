# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# The daemon under test: its configuration, its life, and what it says about itself.

# How bytes are moved: as the defaults have it, or by another mover all the time, as far as there is
# one; a scenario that is about movers says so itself.
#   copy      nothing is spliced
#   no-pipes  one pipe a worker: whoever does not read keeps it from the others
#   restless  spliced after the first 1 KiB, and copied again when less comes: movers change all the time
RELAY=${RELAY:-}
declare -A RELAY_GLOBAL=([no-pipes]="max_pipes: 2") RELAY_SERVICE=([copy]="splice: off" [restless]="splice: 1K")

LB4_PID=
CONFIG= # the file's text so far

# config [LINE…]: begins a file; the lines are top-level settings.
config() {
	local line
	CONFIG="admin: {socket: $DIR/lb4.sock}"$'\n'
	# What a scenario leaves open is not waited for.
	[[ $* == *stop_timeout* ]] || CONFIG+="stop_timeout: 1s"$'\n'
	for line in "$@"; do
		CONFIG+="$line"$'\n'
	done
	# All of the lab's; a scenario that is about nat names them itself.
	[[ $FORWARD == splice || $* == *interfaces:* ]] || CONFIG+="interfaces: $(at_hook $(interfaces))"$'\n'
	[[ ! ${RELAY_GLOBAL[${RELAY:-none}]:-} || $* == *max_pipes* ]] || CONFIG+="${RELAY_GLOBAL[$RELAY]}"$'\n'
	CONFIG+="services:"$'\n'
}

# The lb's interfaces.
interfaces() {
	in_ns lb sh -c 'cd /sys/class/net && ls -d to-*'
}

# at_hook INTERFACE…: as they stand in the file.
at_hook() {
	local name list=()
	for name; do
		[[ $HOOK == auto ]] && list+=("$name") || list+=("{name: $name, hook: $HOOK}")
	done
	local IFS=,
	echo "[${list[*]}]"
}

# can_nat LISTEN BACKENDS LINE…: one family, no wildcard, and nothing that only the splicer can do; else sets WHY.
can_nat() {
	local word only families=
	for only in balance: proxy_ tls_routes: source_address: allow: deny: limits: queue: max_connections: splice:; do
		WHY=${only%:}
		[[ "${*:3}" != *"$only"* ]] || return 1
	done
	WHY="both families, or a wildcard"
	for word in $1 $2; do
		case $word in
		:* | \** | 0.0.0.0* | \[::]* | "") return 1 ;;
		\[* | *=\[* | *@6*) families+=6 ;;
		*) families+=4 ;;
		esac
	done
	[[ $1 && $2 && ($families != *4* || $families != *6*) ]]
}

# can_forward LISTEN PORT BACKENDS LINE…: whether $FORWARD takes such a service; else WHY says why not, unless
# that is what the scenario wants.
can_forward() {
	local word
	WHY=
	[[ $FORWARD != splice && "${*:4}" != *forward:* ]] || return 1
	can_nat "$1" "${@:3}" || return 1
	[[ $FORWARD == dsr-* ]] || return 0
	# Nobody knows how old a connection is, and ports are left as they are.
	WHY=lifetime
	[[ "${*:4}" != *lifetime:* ]] || return 1
	WHY="another port than its backends'"
	for word in $1; do
		[[ ($word != *.*:* && $word != *]:*) || $word == *":$2" ]] || return 1
	done
	for word in $3; do
		[[ $word != *=* || ${word%%[*+]*} == *":$2" ]] || return 1
	done
}

# Where ports are left as they are, a backend's server has that of the listen address as well: "NAME PORT" → its own.
declare -A PORT_ALSO=() PORT_IS=()

# the_port LISTEN PORT: sets FRONT, the one port of all these listen addresses.
the_port() {
	local word port
	FRONT=
	for word in $1; do
		port=$2
		[[ $word != *.*:* && $word != :* && $word != *]:* ]] || port=${word##*:}
		[[ ! $FRONT || $FRONT == "$port" ]] || return 1
		FRONT=$port
	done
	[[ $FRONT ]]
}

# with_port FRONT PORT BACKENDS: sets BACKENDS, the same ones with that port, which PORT_ALSO leads to theirs. Not
# with backends that differ in their port alone, nor with such that are not of the lab.
with_port() {
	local word rest name host port list=() seen=" "
	for word in $3; do
		rest=
		[[ $word != *+backup ]] || rest=+backup word=${word%+backup}
		[[ $word != *\** ]] || rest=\*${word##*\*}$rest word=${word%%\**}
		name=${word%%=*} port=$2
		case $word in
		*=*) host=${word#*=} port=${host##*:} host=${host%:*} ;;
		*@6) name=${word%@6} host="[$(backend_ip6 "${word%@6}")]" ;;
		*) host=$(backend_ip "$word") ;;
		esac
		[[ $seen != *" $host "* && $host =~ ^(10\.4\.|\[fd04:)([1-9][0-9]*)(\.|::)2\]?$ ]] || return 1
		seen+="$host "
		[[ $port == "$1" ]] || PORT_ALSO["b${BASH_REMATCH[2]} $1"]=$port
		list+=("$name=$host:$1$rest")
	done
	BACKENDS=${list[*]}
}

# ports_also: makes PORT_ALSO hold.
ports_also() {
	local key name
	for key in "${!PORT_ALSO[@]}"; do
		[[ ! ${PORT_IS[$key]:-} ]] || continue
		name=${key% *}
		in_ns "$name" nft -f - <<-E
			table inet ports {
				chain in { type nat hook prerouting priority -100; }
			}
			add rule inet ports in tcp dport ${key#* } dnat to :${PORT_ALSO[$key]}
		E
		PORT_IS[$key]=${PORT_ALSO[$key]}
	done
}

# service_each: the same as service, which must be one for each family where only the splicer takes both: then the
# second is called NAME6, and has the backends that are given by name alone.
service_each() {
	local name=$1 listen=$2 port=$3 backends=$4 word four=() six=() backends6=()
	shift 4
	if [[ $FORWARD == splice ]]; then
		service "$name" "$listen" "$port" "$backends" "$@"
		return
	fi
	for word in $listen; do
		[[ $word == \[* ]] && six+=("$word") || four+=("$word")
	done
	for word in $backends; do
		word=${word/@6/}
		[[ ! $word =~ ^(b[0-9]+)(.*)$ ]] || backends6+=("${BASH_REMATCH[1]}@6${BASH_REMATCH[2]}")
	done
	service "$name" "${four[*]}" "$port" "${backends//@6/}" "$@"
	service "${name}6" "${six[*]}" "$port" "${backends6[*]}" "$@"
}

# service NAME LISTEN PORT BACKENDS [LINE…]: PORT is a number or a kind of the lab server; LISTEN
# and BACKENDS are words. A listen address without a port gets PORT; a backend is b1, or b1@6 for
# its IPv6 address, or NAME=ADDRESS:PORT, and may have *WEIGHT behind, and +backup behind that. The
# lines are settings. An empty LISTEN or BACKENDS leaves the key out.
service() {
	local name=$1 listen=$2 port=${PORT[$3]:-$3} backends=$4 word line comma=
	shift 4
	if [[ $FORWARD == dsr-* ]] && can_nat "$listen" "$backends" "$@" && the_port "$listen" "$port" &&
		with_port "$FRONT" "$port" "$backends"; then
		port=$FRONT backends=$BACKENDS
	fi
	CONFIG+="  $name:"$'\n'
	[[ ! $listen ]] || CONFIG+="    listen: ["
	for word in $listen; do
		[[ $word == *.*:* || $word == :* || $word == *]:* ]] || word+=":$port"
		CONFIG+="$comma\"$word\"" comma=", "
	done
	[[ ! $listen ]] || CONFIG+="]"$'\n'
	# The splicer is what a file without the key gets.
	if can_forward "$listen" "$port" "$backends" "$@"; then
		CONFIG+="    forward: $FORWARD"$'\n'
	elif [[ $CONFIG == *interfaces:* && "$*" != *forward:* ]]; then
		CONFIG+="    forward: splice"$'\n'
		[[ ! $WHY ]] || SPLICED[$name]="$name ($WHY)"
	fi
	[[ ! ${RELAY_SERVICE[${RELAY:-none}]:-} || $* == *splice* ]] || CONFIG+="    ${RELAY_SERVICE[$RELAY]}"$'\n'
	for line in "$@"; do
		CONFIG+="    $line"$'\n'
	done
	[[ ! $backends ]] || CONFIG+="    backends:"$'\n'
	for word in $backends; do
		CONFIG+="      $(backend_line "$word" "$port")"$'\n'
	done
}

backend_line() {
	local whole=${1%+backup} word weight=1 address backup=
	word=${whole%\**}
	[[ $whole != *\** ]] || weight=${whole##*\*}
	[[ $1 != *+backup ]] || backup=", backup: true"
	case $word in
	*=*) address=${word#*=} ;;
	*@6) address="[$(backend_ip6 "${word%@6}")]:$2" ;;
	*) address="$(backend_ip "$word"):$2" ;;
	esac
	word=${word%%=*}
	echo "${word%@6}: {address: \"$address\", weight: $weight$backup}"
}

# write_config [FILE]: what config() and service() have gathered.
write_config() {
	ports_also
	printf '%s' "$CONFIG" >"${1:-$DIR/lb4.yaml}"
}

lbctl() {
	"$LBCTL" --socket "$DIR/lb4.sock" "$@"
}

is_ready() {
	lbctl status >/dev/null 2>&1
}

# start_lb4 [COMMAND…]: writes the configuration and runs the daemon until it answers; the command
# (such as prlimit) runs it.
start_lb4() {
	write_config
	run_lb4 "$@" "$LB4" --config "$DIR/lb4.yaml"
	wait_until 10 "lb4 is ready" is_ready
}

run_lb4() {
	spawn_in lb "$@" >>"$DIR/connections.log" 2>>"$DIR/lb4.err" &
	LB4_PID=$!
	PIDS+=($!)
}

# backend_is SERVICE NAME FILTER: jq on that backend's object, such as '.state == "up"'.
backend_is() {
	lbctl --json backends "$1" 2>/dev/null |
		jq -e ".backends[] | select(.service == \"$1\" and .name == \"$2\") | $3" >/dev/null
}

# backend_value SERVICE NAME FIELD
backend_value() {
	lbctl --json backends "$1" | jq -r ".backends[] | select(.name == \"$2\") | .$3"
}

# all_up [SERVICE…]: every backend is known to be up.
all_up() {
	lbctl --json backends 2>/dev/null |
		jq -e '(.backends | length > 0) and all(.backends[]; .state == "up")' >/dev/null
}

wait_all_up() {
	wait_until "${1:-10}" "all backends are up" all_up
}

# explains SERVICE CLIENT: the backend that a connection from there would get.
explains() {
	lbctl --json explain "$1" "$2" | jq -r .backend
}

# meets SERVICE FROM PORT TO [FROM-AS-WRITTEN]: the client there comes to the echo of the
# backend that explain names.
meets() {
	local expected met
	expected=$(lbctl --json explain "$1" "${5:-$2}:$3" --local "$4:${PORT[echo]}" | jq -r .backend)
	lab talk --from "$2" --port "$3" "$4:${PORT[echo]}" send=hi name recv=hi fin eof >"$DIR/talk.txt" 2>&1 ||
		fail "$(cat "$DIR/talk.txt")"
	met=$(awk '$1 == "name" && $2 != "ok" { print $2 }' "$DIR/talk.txt")
	[[ $met == "${expected%@6}" ]] || fail "$2 port $3 met $met, explain says $expected"
}

# ended FILTER: how many connections of the log fit a jq filter.
ended() {
	jq -c "select($1)" "$DIR/connections.log" | wc -l
}

has_ended() {
	(($(ended "$1") >= ${2:-1}))
}

# A sanitizer takes memory of its own, and gives none back: then there is nothing to judge.
is_sanitized() {
	grep -q -e __asan_init -e __tsan_init "$LB4"
}

# memory_kb: what lb4 has resident.
memory_kb() {
	awk '/^VmRSS:/ { print $2 }' "/proc/$LB4_PID/status"
}

# cpu_ticks: user and system time of lb4, in hundredths of a second.
cpu_ticks() {
	awk '{ sub(/.*\) /, ""); print $12 + $13 }' "/proc/$LB4_PID/stat"
}

# SIGKILL: it can do nothing any more.
lb4_kill() {
	note_path
	disown "$LB4_PID" # no notice
	kill -KILL "$LB4_PID"
	wait_until 5 "lb4 is dead" is_dead "$LB4_PID"
	LB4_PID=
	rm -f "$DIR/lb4.sock"
}

# stop_lb4 [SECONDS]: SIGTERM must end it with status 0, without a complaint of a sanitizer.
stop_lb4() {
	local status=0 pid=$LB4_PID
	[[ $pid ]] || return 0
	is_dead "$pid" && fail "lb4 was gone before it was stopped"
	note_path
	LB4_PID=
	kill -TERM "$pid"
	holds_within "${1:-10}" is_dead "$pid" || fail "lb4 did not stop within ${1:-10} s of SIGTERM"
	wait "$pid" || status=$?
	((status == 0)) || fail "lb4 ended with status $status"
	if grep -E 'Sanitizer|runtime error:' "$DIR/lb4.err"; then
		fail "a sanitizer complained"
	fi
	if (($(ended '.end == "internal"'))); then
		fail "connections ended with the reason internal"
	fi
}
