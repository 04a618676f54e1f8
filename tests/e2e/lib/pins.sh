# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# For scenarios in which flows outlive lb4: where it pins its maps, and how it is killed.

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

lb4_kill() {
	note_path
	disown "$LB4_PID" # no notice
	kill -KILL "$LB4_PID"
	wait_until 5 "lb4 is dead" is_dead "$LB4_PID"
	LB4_PID=
	rm -f "$DIR/lb4.sock"
}
