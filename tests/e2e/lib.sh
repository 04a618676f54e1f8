# SPDX-License-Identifier: BSD-2-Clause
# What every scenario begins with: strictness, a directory for logs, cleaning up on any exit.
#
# A scenario is a file NN-name.sh that sources this one, builds its lab, runs lb4, checks, and ends
# with `pass`. Exit status: 0 passed, 1 failed, 77 skipped. tools/test runs two of them at once, unless a
# line "# Alone: why" says that it measures, or makes load. The environment may set:
#   LB4_BUILD  where lb4, lbctl and lb4-lab were built    LB4_LOGS  where logs go
#   LB4_SCALE  how long and how much: quick, normal (the default), full
#   FORWARD    the data path under test; see lib/path.sh  RELAY     how bytes are moved; see lib/lb4.sh
#   HOOK       auto or xdp: where packets are taken
# shellcheck shell=bash

set -euo pipefail
export LC_ALL=C

E2E=$(cd "${BASH_SOURCE[0]%/*}" && pwd)
ROOT=${E2E%/tests/e2e}
BUILD=${LB4_BUILD:-$ROOT/build}
LB4=${LB4:-$BUILD/lb4/lb4}
LBCTL=${LBCTL:-$BUILD/tools/lbctl/lbctl}
LAB=$BUILD/tests/e2e/lab/lb4-lab
SCALE=${LB4_SCALE:-normal}
for program in "$LB4" "$LBCTL" "$LAB"; do
	if [[ ! -x $program ]]; then
		echo "$program is not built; tools/test builds and runs" >&2
		exit 1
	fi
done

NAME=$(basename "$0" .sh)
LOGS=${LB4_LOGS:-}
[[ $LOGS ]] || LOGS=$(mktemp -d "${TMPDIR:-/tmp}/lb4-e2e.XXXXXX")
DIR=$LOGS/$NAME
rm -rf "$DIR"
mkdir -p "$DIR"

PIDS=()
PASSED=

. "$E2E/lib/all.sh"

# by_scale QUICK NORMAL FULL
by_scale() {
	case $SCALE in
	quick) echo "$1" ;;
	full) echo "$3" ;;
	*) echo "$2" ;;
	esac
}

show_logs() {
	local file lines
	for file in "$DIR"/*; do
		[[ -s $file && -f $file && $file != *.yaml ]] || continue
		lines=6
		[[ $file == */lb4.err ]] && lines=25
		echo "  --- ${file##*/} (end of $(wc -l <"$file") lines)"
		tail -n $lines "$file" | cut -c1-300 | sed 's/^/  | /'
	done
	echo "  logs: $DIR"
}

# A command failed outside of any check: says where in the scenario, once.
on_error() {
	local i=1
	while ((i + 1 < ${#BASH_SOURCE[@]})) && [[ ${BASH_SOURCE[i]} != "$0" ]]; do
		i=$((i + 1))
	done
	say "FAIL  ${0##*/}:${BASH_LINENO[i - 1]}: $1"
	trap - ERR
}

finish() {
	local status=$? pid
	trap '' INT TERM
	trap - ERR
	set +e
	# The shell would tell of each killed job.
	{
		for pid in "${PIDS[@]}" $(jobs -p); do
			kill -KILL "$pid"
		done
		lab_down
		wait
	} 2>/dev/null
	[[ ! $PASSED ]] || judge_path || PASSED=
	if [[ $PASSED ]]; then
		rm -rf "$DIR"
		[[ ${LB4_LOGS:-} ]] || rmdir "$LOGS"
		exit 0
	fi
	((status == 77)) && exit 77
	((status == 0)) && echo "  FAIL  the scenario ended without a verdict"
	show_logs
	exit 1
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
set -E
trap 'on_error "$BASH_COMMAND"' ERR

skip() {
	say "skip  $*"
	exit 77
}

# The scenario's last line: lb4 must still be there and stop as it should.
pass() {
	stop_lb4
	PASSED=1
	exit 0
}

((EUID == 0)) || skip "needs root for network namespaces"
