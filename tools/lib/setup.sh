# SPDX-License-Identifier: BSD-2-Clause
# What tools/demo and tools/test begin with: the packages of packages.txt, a quiet build, colours.
# shellcheck shell=bash

ROOT=$(cd "${BASH_SOURCE[0]%/*}/../.." && pwd)
BUILD=${LB4_BUILD:-$ROOT/build}

if [[ -t 1 && ${TERM:-dumb} != dumb && -z ${NO_COLOR:-} ]]; then
	BOLD=$'\e[1m' DIM=$'\e[2m' GREEN=$'\e[32m' RED=$'\e[31m' YELLOW=$'\e[33m' PLAIN=$'\e[0m'
else
	BOLD='' DIM='' GREEN='' RED='' YELLOW='' PLAIN=''
fi

# quietly WHAT FILE COMMAND…: output goes to the file, whose end is shown when the command fails.
quietly() {
	local what=$1 file=$2
	shift 2
	mkdir -p "${file%/*}"
	if ! "$@" >"$file" 2>&1 </dev/null; then
		echo "${RED}$what failed:${PLAIN} $*" >&2
		tail -n 40 "$file" >&2
		return 1
	fi
}

# packages [KIND…]: the names of packages.txt, of these kinds or all.
packages() {
	awk -v kinds=" $* " '!/^#/ && NF && (kinds == "  " || index(kinds, " " $2 " ")) { print $1 }' \
		"$ROOT/tools/packages.txt"
}

missing_packages() {
	local name
	for name in $(packages "$@"); do
		dpkg-query -Wf '${Status}' "$name" 2>/dev/null | grep -q 'ok installed' || echo "$name"
	done
}

# Servers are wanted as programs only: packages bring them as services, which stay off. Masks of
# this boot keep them from starting while they are installed; those that were there are left alone.
install_packages() {
	local missing pair service services=()
	mapfile -t missing < <(missing_packages "$@")
	((${#missing[@]})) || return 0
	if ((EUID != 0)); then
		echo "${RED}packages are missing${PLAIN} and only root can install them:" \
			"apt-get install ${missing[*]}" >&2
		return 1
	fi
	echo "installing ${missing[*]}"
	# PACKAGE=SERVICE
	for pair in haproxy=haproxy nginx=nginx redis-server=redis-server memcached=memcached \
		postgresql-15=postgresql; do
		[[ " ${missing[*]} " == *" ${pair%%=*} "* ]] && services+=("${pair#*=}")
	done
	if ((${#services[@]})) && [[ -d /run/systemd/system ]]; then
		systemctl --runtime --quiet mask "${services[@]}"
	fi
	export DEBIAN_FRONTEND=noninteractive
	quietly "apt-get update" "$BUILD-logs/apt-update.log" apt-get update || return 1
	quietly "apt-get install" "$BUILD-logs/apt-install.log" \
		apt-get install -y --no-install-recommends "${missing[@]}" || return 1
	for service in "${services[@]}"; do
		if [[ -d /run/systemd/system ]]; then
			systemctl --runtime --quiet unmask "$service"
			systemctl --quiet disable "$service"
		else
			command service "$service" stop >/dev/null 2>&1 || true # not a function of ours
		fi
	done
}

# build DIRECTORY NAME [MESON OPTION…] [-- TARGET…]: the environment may set CC. Configured once,
# built as needed, warnings are errors.
build() {
	local directory=$1 name=$2 options=()
	shift 2
	while (($#)) && [[ $1 != -- ]]; do
		options+=("$1")
		shift
	done
	(($# == 0)) || shift
	if [[ ! -e $directory/build.ninja ]]; then
		quietly "configuring $name" "$BUILD-logs/$name-setup.log" \
			meson setup "$directory" "$ROOT" --werror "${options[@]}" || return 1
	fi
	quietly "building $name" "$BUILD-logs/$name.log" ninja -C "$directory" "$@"
}
