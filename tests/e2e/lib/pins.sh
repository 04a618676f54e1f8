# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# For scenarios in which flows outlive lb4: where it pins its maps.

# lb4 runs in the mount namespace that everybody else is in, as `ip netns exec` hides what is mounted.
spawn_in() {
	local where=$1
	shift
	if [[ $* == *"$LB4"* ]]; then
		exec nsenter --net="/run/netns/$(ns "$where")" "$@"
	fi
	exec ip netns exec "$(ns "$where")" "$@"
}

# A BPF file system of the scenario's own; sets PINS.
pins_up() {
	mkdir "$DIR/bpf"
	mount -t bpf bpf "$DIR/bpf"
	PINS=$DIR/bpf/lb4
	trap 'umount --lazy "$DIR/bpf"; finish' EXIT
}
