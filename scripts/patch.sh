#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# patch.sh BASE: writes the whole series of a base, new files included, to stdout as one patch. Needs no kernel source.

. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/stage.sh"

[[ $# == 1 && -n $1 ]] || die "give the kernel: make patch BASE=6.18"
base=$1
check_base "$base"
need patch
check_series "$base"
make_tmp ""
hooks "$base"
git init -q "$TMP"
all_overlay_files | (cd "$ROOT" && xargs cp --parents -t "$TMP")
git -C "$TMP" add -A
git -C "$TMP" -c core.abbrev=12 diff --cached --no-renames --no-color --no-ext-diff --src-prefix=a/ --dst-prefix=b/
