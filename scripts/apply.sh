#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# apply.sh KDIR [BASE]: puts everything into a kernel tree of the user, or, when a hunk fails, nothing. The tree's version
# says which series fits, unless BASE is given. Prints the tree's path.

. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/stage.sh"

[[ $# -le 2 && -n ${1:-} ]] || die "give the kernel tree to change: make apply KDIR=path"
tree=$1
[[ -d $tree ]] || die "KDIR=$tree is not a folder: give a kernel tree"
tree=$(realpath "$tree")
version=$(tree_version "$tree")
[[ -n $version ]] || die "KDIR=$tree is not a kernel tree (no Makefile with a version, Kconfig and mm/)"
base=${2:-${version%.*}}
bases | grep -qxF "$base" || die "KDIR=$tree is Linux $version; there are patches for: $(bases | paste -sd' '). BASE= takes one of them"
[[ -n $(series_lines) ]] || die "bases/series is empty: nothing to apply"
! grep -q '^config SWAP_COMPRESS_WQ$' "$tree/mm/Kconfig" || die "KDIR=$tree has swap_compress already: to update it, start from the unpatched tree"
[[ -w $tree && -w $tree/mm ]] || die "KDIR=$tree is not writable for $(id -un)"

need patch
check_prerequisites "$tree" "Linux $version in $tree"
make_tmp ""
"$ROOT/scripts/patch.sh" "$base" >"$TMP/patch"
find_absent "$base" "$tree"
# It changes nothing unless all of it applies. What is above the tree may be a repository of something else.
output=$(cd "$tree" && GIT_CEILING_DIRECTORIES=${tree%/*} git apply --whitespace=nowarn "${absent[@]/#/--exclude=}" "$TMP/patch" 2>&1) ||
	die "the series does not apply to Linux $version in $tree; nothing was changed there:
$output"
kind=
[[ ! -d $tree/include/trace/hooks ]] || kind="Android "
note "${kind}Linux $version: the series for $base is applied; switch it on with CONFIG_SWAP_COMPRESS_WQ"
echo "$tree"
