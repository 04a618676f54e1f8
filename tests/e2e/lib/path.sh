# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# The data path under test: what services ask for, and what is by nature not to be had there.

# Which path: splice, nat, dsr-l2 or dsr-ipip, for each service that can have it. A scenario that means one
# path alone says so itself.
PATH_ASKED=${FORWARD:-}
FORWARD=${FORWARD:-splice}
PATH_OWN= # set: the scenario sees by itself that its path does the work

# Where packets are taken: where lb4 thinks best, which is tc on the lab's links, or at xdp, which these
# are made fit for then.
HOOK=${HOOK:-auto}

# What a path has not, and why: PATH/WHAT.
declare -A PATH_LACKS=(
	[nat/retries]="a client's SYN goes to one backend, and is not tried at another"
	[nat/descriptors]="flows take no descriptors, and are not parked"
	[nat/user_timeout]="nobody waits for acknowledgements"
	[dsr/retries]="a client's SYN goes to one backend, and is not tried at another"
	[dsr/descriptors]="connections take no descriptors, and are not parked"
	[dsr/user_timeout]="nobody waits for acknowledgements"
	[dsr/limits]="nobody sees a connection's end or age, so that lb4 ends none"
	[dsr/log]="one direction is seen and no end of a connection, so that these are in no list and no log"
	[dsr/active]="a slot that stays with its backend keeps no memory of its connections"
	[dsr/anew]="a client's port that comes again within two minutes goes where it was, as its FIN and RST cannot be believed"
	[dsr/evidence]="what backends answer does not pass lb4, and says nothing for or against them"
)

# why_not WHAT: the reason why the path under test has it not; nothing where it has.
why_not() {
	echo "${PATH_LACKS[$FORWARD/$1]:-${PATH_LACKS[${FORWARD%-*}/$1]:-}}"
}

# path_has WHAT: whether the path under test has it. What it has not is told, once, so that nothing is left out
# in silence: `if path_has retries; then … else (what must be instead) fi`.
declare -A NOT_HAD=()
path_has() {
	local why
	why=$(why_not "$1")
	[[ $why ]] || return 0
	[[ ${NOT_HAD[$1]:-} ]] || say "n/a   $1, with $FORWARD: $why"
	NOT_HAD[$1]=1
	return 1
}

# check_log SECONDS WHAT FILTER [NUMBER]: the connection log has it soon, where the path has one.
check_log() {
	path_has log || return 0
	check_within "$1" "$2" has_ended "${@:3}"
}

# check_ended WHAT FILTER NUMBER: that many connections of the log fit.
check_ended() {
	path_has log || return 0
	check_equal "$1" "$(ended "$2")" "$3"
}

# count_field: what lb4 has of the connections that a scenario has just begun: those that are active, or,
# where these are not known, those that have begun.
count_field() {
	[[ ! $(why_not active) ]] && echo active || echo accepted
}

# begun SERVICE BACKEND: the same of one backend.
begun() {
	backend_value "$1" "$2" "$([[ ! $(why_not active) ]] && echo active || echo connections)"
}

# check_error WHAT SERVICE BACKEND REGEX: all of what its last check met, but for what is told of the check's path.
check_error() {
	local by=
	[[ $FORWARD != dsr-* ]] || by="(: .* by $FORWARD.*)?"
	check_matches "$1" "$(backend_value "$2" "$3" last_error)" "^($4)$by\$"
}

# running NUMBER [SERVICE]: so many of all services' connections are there, for a scenario's first ones.
running() {
	(($(lbctl --json services ${2:+"$2"} | jq "[.services[].$(count_field)] | add") == $1))
}

# path_is PATH…: the scenario is about these alone. The first is taken where nobody asks for a path; where another
# one is asked for it is skipped.
path_is() {
	if [[ ! $PATH_ASKED ]]; then
		FORWARD=$1
	elif [[ " $* " != *" $FORWARD "* ]]; then
		skip "is about $*"
	fi
}

# --- who was forwarded: a scenario that asked for a path and was spliced says nothing of the path ---

# path_idle WHY: no connection of the scenario is forwarded, whatever the path.
PATH_IDLE=
path_idle() {
	PATH_IDLE=$1
}

# path_idle_service NAME WHY: nor one of that service.
declare -A PATH_IDLE_SERVICE=()
path_idle_service() {
	PATH_IDLE_SERVICE[$1]=$2
}

# What stands in the file as spliced, and why: "NAME (WHY)".
declare -A SPLICED=()

# note_path: before lb4 ends, how many connections of each service the fast path has taken.
note_path() {
	[[ $FORWARD != splice && ! $PATH_OWN ]] || return 0
	lbctl --json services | jq -r '.services[] | [.name, .settings.forward, .accepted, .forwarded] | @tsv' >>"$DIR/path.notes" ||
		fail "lb4 does not tell who was forwarded"
}

# judge_path: at the end, by all notes. Zero: the path under test did the work.
judge_path() {
	local service accepted forwarded all=0 of=0 idle=
	[[ $FORWARD != splice && ! $PATH_OWN ]] || return 0
	((${#SPLICED[@]} == 0)) || say "path  spliced by what they ask for: $(printf '%s, ' "${SPLICED[@]}" | sed 's/, $//')"
	if [[ -e $DIR/path.notes ]]; then
		while read -r service accepted forwarded; do
			all=$((all + accepted)) of=$((of + forwarded))
			((accepted == 0 || forwarded > 0)) && continue
			if [[ ${PATH_IDLE_SERVICE[$service]:-} ]]; then
				say "n/a   $service by $FORWARD: ${PATH_IDLE_SERVICE[$service]}"
			else
				idle+=" $service"
			fi
		done < <(awk -v path="$FORWARD" '{ is[$1] = is[$1] || $2 == path; a[$1] += $3; f[$1] += $4 }
			END { for (s in is) if (is[s]) print s, a[s], f[s] }' "$DIR/path.notes")
	fi
	if [[ $idle ]]; then
		say "FAIL  $FORWARD took no connection of services that are to be forwarded:$idle"
		return 1
	fi
	if ((of > 0)); then
		say "path  $of of $all connections of services with $FORWARD were forwarded"
	elif [[ $PATH_IDLE ]]; then
		say "n/a   a connection by $FORWARD: $PATH_IDLE"
	else
		say "FAIL  no connection was forwarded by $FORWARD"
		return 1
	fi
}

# soon_after MS: when an end by time must have come, at the latest: flows are looked at every two seconds, and
# their time is counted in ticks of one.
soon_after() {
	if [[ $FORWARD == splice ]]; then
		echo "$1"
	else
		echo $(($1 + 3500))
	fi
}
