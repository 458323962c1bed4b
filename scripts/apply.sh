#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# apply.sh KDIR: puts everything into a kernel tree of the user, or, when a hunk fails, nothing. Prints the tree's path.

. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/stage.sh"

[[ $# == 1 && -n $1 ]] || die "give the kernel tree to change: make apply KDIR=path"
tree=$1
[[ -d $tree ]] || die "KDIR=$tree is not a folder: give a kernel tree"
tree=$(realpath "$tree")
version=$(tree_version "$tree")
[[ -n $version ]] || die "KDIR=$tree is not a kernel tree (no Makefile with a version, Kconfig and mm/)"
base=${version%.*}
bases | grep -qxF "$base" || die "KDIR=$tree is Linux $version; there are patches for: $(bases | paste -sd' ')"
[[ -n $(series_lines) ]] || die "bases/series is empty: nothing to apply"
! grep -q '^config SWAP_COMPRESS_WQ$' "$tree/mm/Kconfig" || die "KDIR=$tree has swap_compress already: to update it, start from the unpatched tree"
[[ -w $tree && -w $tree/mm ]] || die "KDIR=$tree is not writable for $(id -un)"

undo() {
	local file
	note "undoing the change of $tree"
	while IFS= read -r file; do
		rm -f "$tree/$file.sc-new"
		# cp -a: with its old time, so that the next build sees no change.
		if [[ -e $TMP/undo/$file ]]; then
			cmp -s "$TMP/undo/$file" "$tree/$file" || cp -a --remove-destination "$TMP/undo/$file" "$tree/$file"
		else
			remove_file "$tree" "$file"
		fi
	done < <(touched_files "$base")
}

need patch
make_tmp ""
stage "$base" "$tree" "$TMP/stage" "Linux $version in $tree"
mkdir "$TMP/undo"
while IFS= read -r file; do
	[[ ! -e $tree/$file ]] || (cd "$tree" && cp -a --parents "$file" "$TMP/undo/")
done < <(touched_files "$base")
trap 'undo; rm -rf "$TMP"' EXIT
while IFS= read -r file; do
	install_file "$TMP/stage" "$tree" "$file" || die "cannot write $tree/$file"
done < <(touched_files "$base")
trap 'rm -rf "$TMP"' EXIT
note "Linux $version: $(series_lines | wc -l) commits applied; switch it on with CONFIG_SWAP_COMPRESS_WQ"
echo "$tree"
