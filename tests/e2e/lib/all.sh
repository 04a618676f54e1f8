# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# All parts, for whoever draws a lab: scenarios and tools/demo.
for part in check path net lb4 dsr; do
	. "${BASH_SOURCE[0]%/*}/$part.sh"
done
unset part
