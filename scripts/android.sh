#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# android.sh BASE OUT [BUG]: writes what the vendor of an Android phone needs into OUT, an empty or new folder: the series
# for Gerrit (scripts/series.sh) in OUT/patches, and the files of android/, of which README.md comes first. Prints OUT.

. "$(dirname "$0")/common.sh"

[[ $# -ge 2 && $# -le 3 && -n $2 ]] || die "usage: android.sh BASE OUT [BUG]"
base=$1 out=$2 bug=${3:-}
check_base "$base"
[[ -z $bug || $bug =~ ^[1-9][0-9]*$ ]] || die "BUG=$bug is not valid: give the number of the bug, such as BUG=123456789"
[[ ! -e $out || -d $out ]] || die "OUT=$out is not a folder"
# What an earlier run wrote may have been adapted to a product since.
[[ ! -d $out || -z $(find "$out" -mindepth 1 -print -quit) ]] || die "OUT=$out holds files: give an empty or new folder"

make_tmp ""
mkdir "$TMP/kit"
cp -r "$ROOT/android/." "$TMP/kit/"
"$ROOT/scripts/series.sh" "$base" "$TMP/kit/patches" android "$bug" >/dev/null
mkdir -p "$out" || die "cannot make OUT=$out"
cp -r "$TMP/kit/." "$out/" || die "cannot write to OUT=$out"
[[ -n $bug ]] || note "the patches have no Bug: line; BUG=NUMBER adds it"
note "begin with $out/README.md"
realpath "$out"
