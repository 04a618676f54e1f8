#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# lbctl_tab.bash WORD…: prints what `lbctl WORD…` and a TAB offer, as bash would ask the completion
# in $LBCTL_BASH for it. A last word "~" is one that has not begun. Runs the lbctl in $LBCTL_PROGRAM.

set -u
. "$LBCTL_BASH"
lbctl() {
	"$LBCTL_PROGRAM" "$@"
}
[[ $(complete -p lbctl) == "complete -F _lbctl lbctl" ]] || exit 1
COMP_LINE="lbctl $*"
COMP_LINE=${COMP_LINE%\~}
COMP_POINT=${#COMP_LINE}
# Bash takes words apart at = and :, too.
COMP_WORDS=(lbctl "${COMP_LINE##*[[:blank:]=:]}")
COMP_CWORD=1
_lbctl lbctl
((${#COMPREPLY[@]} == 0)) || printf '%s\n' "${COMPREPLY[@]}"
