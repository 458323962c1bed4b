#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# tree.sh BASE [VARIANT]: makes the patched tree of a base in the cache and prints its path.
# VARIANT: pristine, the source as it is; bench, with the patches of bench/ on top.
# Hard links to the source; only files whose content changes are replaced, so that a build goes on from the last one.
# scripts/kernel.sh builds in folders build-* of the tree.

. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/stage.sh"

(($# == 1 || $# == 2)) || die "usage: tree.sh BASE [VARIANT]"
base=$1 variant=${2:-}
check_base "$base"
check_one_of VARIANT "$variant" "" pristine bench

# Everything the patched files depend on.
stamp() {
	local file
	cat "$source_tree.stamp"
	[[ $variant != pristine ]] || return 0
	cat "$ROOT/scripts/stage.sh" "$ROOT/scripts/tree.sh"
	series_lines
	base_patches "$base" | xargs cat
	while IFS= read -r file; do
		echo "$file"
		cat "$ROOT/$file"
	done < <(all_overlay_files)
	[[ $variant != bench ]] || cat "$ROOT"/bench/*.patch
}

# What makes it the kernel of the benchmark; for files of the series only.
stage_bench() {	# STAGE
	local patch output
	for patch in "$ROOT"/bench/*.patch; do
		output=$(cd "$1" && patch -p1 -F0 --force --no-backup-if-mismatch -r - <"$patch" 2>&1) ||
			die "bench/${patch##*/} does not apply on top of the series of $base:
$output"
	done
}

lock_cache
need source patch
source_tree=$("$ROOT/scripts/source.sh" "$base")
tree=$CACHE/tree/$(base_id "$base")${variant:+-$variant}
[[ $variant == pristine ]] || check_series "$base"
lock_thing "$tree"
want=$(stamp | sha256sum)
if [[ ! -d $tree || $(cat "$tree.stamp" 2>/dev/null) != "$want" ]]; then
	if [[ $variant != pristine ]]; then
		make_tmp "$CACHE"
		stage "$base" "$source_tree" "$TMP/stage" "Linux $(tree_version "$source_tree")"
		[[ $variant != bench ]] || stage_bench "$TMP/stage"
	fi
	rm -f "$tree.stamp"
	link_tree "$source_tree" "$tree"
	[[ $variant == pristine ]] || update_tree "$base" "$source_tree" "$TMP/stage" "$tree"
	echo "$want" >"$tree.stamp"
fi
echo "$tree"
