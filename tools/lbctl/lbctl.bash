# SPDX-License-Identifier: BSD-2-Clause
# Completion of lbctl(8) in bash. lbctl itself knows what may come; this asks it.
# shellcheck shell=bash

_lbctl() {
	local words cur=${COMP_WORDS[COMP_CWORD]} line=${COMP_LINE:0:COMP_POINT} candidate
	COMPREPLY=()
	# The shell takes words apart at = and :, which are parts of words here. Backslashes are read
	# as the shell reads them.
	# shellcheck disable=SC2162
	read -a words <<<"$line"
	[[ $line == *[[:blank:]] ]] && words+=("")
	# What stands before the command, such as LB4_SOCKET=… .
	while ((${#words[@]} > 1)) && [[ ${words[0]} != "$1" ]]; do
		words=("${words[@]:1}")
	done
	[[ $cur == [=:] ]] && cur=
	while IFS= read -r candidate; do
		if [[ $candidate == $'\tfiles' ]]; then
			compopt -o filenames 2>/dev/null
			while IFS= read -r candidate; do
				COMPREPLY+=("$candidate")
			done < <(compgen -f -- "$cur")
		else
			COMPREPLY+=("$candidate")
		fi
	done < <("$1" --complete "${words[@]:1}" 2>/dev/null)
}

complete -F _lbctl lbctl
