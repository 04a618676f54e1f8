#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# service_unit.sh UNIT LB4: systemd finds nothing to complain about in the unit, and it is as
# confined as it was. LB4 stands for the program, which is not installed where the unit has it.

set -eu
command -v systemd-analyze >/dev/null || exit 77
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
sed "s|=[^ ]*/lb4 |=$2 |" "$1" >"$dir/lb4.service"
systemd-analyze verify --man=no "$dir/lb4.service" >"$dir/complaints" 2>&1 || {
	cat "$dir/complaints"
	exit 1
}
if [ -s "$dir/complaints" ]; then
	cat "$dir/complaints"
	exit 1
fi
# Exposure in tenths, of 100: 19 as it is written.
systemd-analyze security --offline=true --threshold=25 "$dir/lb4.service" >"$dir/exposure" || {
	cat "$dir/exposure"
	exit 1
}
