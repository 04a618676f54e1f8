# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# The data path under test: what services ask for, and what is by nature not to be had there.

# Which path: splice, nat, dsr-l2 or dsr-ipip, for each service that can have it. A scenario that means one
# path alone says so itself.
FORWARD=${FORWARD:-splice}

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
	[dsr/log]="one direction is seen and no end of a connection, so that these are in no list and no log"
	[dsr/active]="a slot that stays with its backend keeps no memory of its connections"
	[dsr/anew]="a client's port that comes again within two minutes goes where it was, as its FIN and RST cannot be believed"
	[dsr/evidence]="what backends answer does not pass lb4, and says nothing for or against them"
)

# why_not WHAT: the reason why the path under test has it not; nothing where it has.
why_not() {
	echo "${PATH_LACKS[$FORWARD/$1]:-${PATH_LACKS[${FORWARD%-*}/$1]:-}}"
}

# path_has WHAT: whether the path under test has it. What it has not is told, so that nothing is left out
# in silence: `if path_has retries; then … else (what must be instead) fi`.
path_has() {
	local why
	why=$(why_not "$1")
	[[ $why ]] || return 0
	say "n/a   $1, with $FORWARD: $why"
	return 1
}

# count_field: what lb4 has of the connections that a scenario has just begun: those that are active, or,
# where these are not known, those that have begun.
count_field() {
	[[ ! $(why_not active) ]] && echo active || echo accepted
}

# running NUMBER [SERVICE]: so many of all services' connections are there, for a scenario's first ones.
running() {
	(($(lbctl --json services ${2:+"$2"} | jq "[.services[].$(count_field)] | add") == $1))
}

# path_needs WHAT: the scenario is about nothing else, and is skipped where that is not to be had.
path_needs() {
	path_has "$1" || skip "$1 is not for $FORWARD"
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
