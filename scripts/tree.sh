#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# tree.sh BASE: makes the patched tree of a base in the cache and prints its path.
# Hard links to the pristine tree; only files whose content changes are replaced, so that a build goes on from the last one.

. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/stage.sh"

[[ $# == 1 ]] || die "usage: tree.sh BASE"
base=$1
check_base "$base"

# Everything the patched files depend on.
stamp() {
	local file
	cat "$source_tree.stamp" "$ROOT/scripts/stage.sh" "$ROOT/scripts/tree.sh"
	series_lines
	while read -r file _; do
		cat "$ROOT/bases/$base/$file"
	done < <(series_lines)
	while IFS= read -r file; do
		echo "$file"
		cat "$ROOT/$file"
	done < <(all_overlay_files)
}

lock_cache
need source patch
source_tree=$("$ROOT/scripts/source.sh" "$base")
tree=$CACHE/tree/$(base_id "$base")
check_series "$base"
want=$(stamp | sha256sum)
if [[ ! -d $tree || $(cat "$tree.stamp" 2>/dev/null) != "$want" ]]; then
	make_tmp "$CACHE"
	stage "$base" "$source_tree" "$TMP/stage" "Linux $(tree_version "$source_tree")"
	rm -f "$tree.stamp"
	link_tree "$source_tree" "$tree"
	update_tree "$base" "$source_tree" "$TMP/stage" "$tree"
	echo "$want" >"$tree.stamp"
fi
echo "$tree"
