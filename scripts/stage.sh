# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Sourced by what puts the kernel part into a tree: tree.sh, apply.sh, series.sh, check.sh.
# Everything is tried in a staging folder first, so that a hunk that fails leaves the tree as it was.

# Sorted lists are compared: their order must not depend on the user's language.
export LC_ALL=C

# The commits in order, one a line: the patch's name, then its overlay paths.
series_lines() {
	sed 's/#.*//; /^[[:space:]]*$/d' "$ROOT/bases/series" 2>/dev/null || true
}

# A base, and those from which it takes what is the same.
base_chain() {	# BASE
	local base=$1
	while [[ -n $base ]]; do
		echo "$base"
		base=$(base_parent "$base")
	done
}

# The file of a patch: that of the first base that has it.
find_patch() {	# PATCH BASE...
	local base
	for base in "${@:2}"; do
		if [[ -e $ROOT/bases/$base/$1 ]]; then
			echo "$ROOT/bases/$base/$1"
			return
		fi
	done
	die "bases/series names $1, which bases/$2 does not have"
}

base_patch() {	# BASE PATCH
	local -a chain
	mapfile -t chain < <(base_chain "$1")
	find_patch "$2" "${chain[@]}"
}

# All of them, in order.
base_patches() {	# BASE
	local patch
	local -a chain
	mapfile -t chain < <(base_chain "$1")
	while read -r patch _; do
		find_patch "$patch" "${chain[@]}"
	done < <(series_lines)
}

# The parts of patches that are about files of a list, or about others.
patch_parts() {	# listed|others LIST-FILE PATCH-FILE...
	awk -v which="$1" 'FILENAME == ARGV[1] { list["b/" $0]; next }
		FNR == 1 { wanted = 0 }
		/^diff --git / { wanted = ($4 in list) == (which == "listed") }
		wanted' "${@:2}"
}

# Those of some patches that change a file of a list
patches_about() {	# LIST-FILE PATCH-FILE...
	awk 'FILENAME == ARGV[1] { list["b/" $0]; next }
		/^diff --git / && $4 in list { print FILENAME; nextfile }' "$@"
}

# What the patches change in files that the kernel has. What they change in new files, these have already.
hooks() {	# BASE
	local -a patches
	mapfile -t patches < <(base_patches "$1")
	patch_parts others <(all_overlay_files) "${patches[@]}"
}

# Some trees have been cut down to what is built. What the series changes in these files, which the tree does not have,
# is left out.
absent=()
find_absent() {	# BASE TREE
	mapfile -t absent < <(patched_files <(hooks "$1") | grep -E '^(Documentation/|tools/|MAINTAINERS$)' |
		while IFS= read -r file; do
			[[ -e $2/$file ]] || echo "$file"
		done)
	((${#absent[@]} == 0)) || note "the tree does not have these, so what the series changes in them is left out: ${absent[*]}"
	leave_out_zram "$1" "$2"
}

# zram may be a vendor's own. Swapping does not need what the series adds to it.
leave_out_zram() {	# BASE TREE
	local patch
	patch=$(base_patch "$1" "$(series_lines | sed -nE 's/^([0-9]+-zram-[^ ]+).*/\1/p')")
	(cd "$2" && GIT_CEILING_DIRECTORIES=${2%/*} git apply --check --include='drivers/block/zram/*' "$patch" 2>/dev/null) && return
	mapfile -t -O "${#absent[@]}" absent < <(patched_files "$patch")
	note "zram of this tree is not that of Linux $1, so what the series adds to it (parallel_writes) is left out"
}

# The overlay files behind the paths of a commit; a folder stands for all that git would track in it.
overlay_files() {	# PATH...
	local path
	for path; do
		[[ -e $ROOT/$path ]] || die "bases/series names $path, which does not exist"
		if [[ -f $ROOT/$path ]]; then
			echo "$path"
		elif git -C "$ROOT" rev-parse --git-dir >/dev/null 2>&1; then
			git -C "$ROOT" ls-files -co --exclude-standard -- "$path"
		else
			(cd "$ROOT" && find "$path" -type f)
		fi
	done | sort
}

all_overlay_files() {
	local patch paths
	while read -r patch paths; do
		# shellcheck disable=SC2086 # paths without blanks
		overlay_files $paths
	done < <(series_lines)
}

# The files that a patch changes, creates or removes.
patched_files() {	# PATCH-FILE
	sed -nE 's,^(---|\+\+\+) [ab]/([^[:space:]]+).*,\2,p' "$1" | sort -u
}

# Every patch of the series exists, and no patch is left out of it.
check_series() {	# BASE
	local patch
	base_patches "$1" >/dev/null
	for patch in "$ROOT/bases/$1"/*.patch; do
		[[ ! -e $patch ]] || series_lines | grep -qE "^${patch##*/}( |\$)" ||
			die "bases/$1/${patch##*/} is not in bases/series"
	done
}

# All files of a tree that the series of a base touches.
touched_files() {	# BASE
	{
		base_patches "$1" | while IFS= read -r patch; do
			patched_files "$patch"
		done
		all_overlay_files
	} | sort -u
}

# Copies the untouched state of all that the series touches.
stage_pristine() {	# BASE TREE STAGE
	local file
	mkdir -p "$3"
	while IFS= read -r file; do
		[[ ! -e $2/$file ]] || (cd "$2" && cp --parents "$file" "$3/")
	done < <(touched_files "$1")
}

# A later commit may add an idea to overlay files of this one. Overlay files have all ideas: it is taken out here.
without_later_ideas() {	# BASE STAGE PATCH OVERLAY-FILE...
	local base=$1 stage=$2 patch=$3 later output
	local -a all_later
	shift 3
	mapfile -t all_later < <(base_patches "$base" | sed "0,/\/$patch\$/d")
	((${#all_later[@]})) || return 0
	while IFS= read -r later; do
		output=$(cd "$stage" && GIT_CEILING_DIRECTORIES=${stage%/*} GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null \
			git apply -R --whitespace=nowarn "${@/#/--include=}" "$later" 2>&1) ||
			die "${later#"$ROOT"/} is not what it adds to the files of $patch. Make it again:
$output"
	done < <(patches_about <(printf '%s\n' "$@") "${all_later[@]}" | tac)
}

# One commit of the series onto a staging folder.
stage_commit() {	# BASE STAGE WHAT-TREE PATCH OVERLAY-PATH...
	local base=$1 stage=$2 what=$3 patch=$4 file output
	local -a files
	shift 4
	mapfile -t files < <(overlay_files "$@")
	for file in "${files[@]}"; do
		[[ ! -e $stage/$file ]] || die "$what already has $file, which swap_compress adds"
	done
	if ((${#files[@]})); then
		(cd "$ROOT" && cp --parents "${files[@]}" "$stage/")
		without_later_ideas "$base" "$stage" "$patch" "${files[@]}"
	fi
	# A commit of new files only has a message but nothing to patch, as has one that the base has no use for.
	patch=$(base_patch "$base" "$patch")
	[[ -n $(patched_files "$patch") ]] || return 0
	output=$(cd "$stage" && patch_parts others <(printf '%s\n' "${absent[@]}") "$patch" |
		patch -p1 -F0 --force --no-backup-if-mismatch -r - 2>&1) ||
		die "${patch#"$ROOT"/} does not apply to $what; nothing was changed there:
$(grep -E '^(patching|Hunk .*FAILED|can.t find file|patch: |.*malformed|Reversed)' <<<"$output" | grep -B1 -vE '^patching|^--$')"
}

# What the series relies on, and a tree may lack. A handed-over folio is unlocked before its TLB entries are flushed; a
# fault on it calls flush_tlb_batched_pending(), which on arm64 waited for nothing before that commit.
check_prerequisites() {	# TREE WHAT-TREE
	local header=$1/arch/arm64/include/asm/tlbflush.h
	[[ ! -e $header ]] || ! awk '/arch_flush_tlb_batched_pending\(/, /^}/' "$header" | grep -q 'dsb(' ||
		die "$2 lacks commit 4b634918384c (\"arm64/mm: Close theoretical race where stale TLB entry remains valid\").
Without it a write to a page that is being swapped out can be lost on arm64. Apply it first:
  git cherry-pick 4b634918384c   (or take it from the stable tree: 6.12.107 and 6.18.15 have it)"
}

# The whole series.
stage() {	# BASE TREE STAGE WHAT-TREE
	local patch paths path
	check_series "$1"
	check_prerequisites "$2" "$4"
	find_absent "$1" "$2"
	stage_pristine "$1" "$2" "$3"
	while read -r patch paths; do
		# shellcheck disable=SC2086 # paths without blanks
		stage_commit "$1" "$3" "$4" "$patch" $paths
	done < <(series_lines)
	while IFS= read -r path; do
		cmp -s "$ROOT/$path" "$3/$path" || die "the patches of bases/series do not lead to $path as it is"
	done < <(all_overlay_files)
}

# Removes a file and the folders that it leaves empty.
remove_file() {	# TREE FILE
	rm -f "$1/$2" || return
	(cd "$1" && rmdir -p --ignore-fail-on-non-empty "$(dirname "$2")" 2>/dev/null) || true
}

# Replaces one file of a tree by the staged one, or removes it. Never writes into the old file: it may be a hard link.
install_file() {	# STAGE TREE FILE
	if [[ ! -e $1/$3 ]]; then
		remove_file "$2" "$3"
	elif ! cmp -s "$1/$3" "$2/$3"; then
		mkdir -p "$(dirname "$2/$3")" &&
			cp --preserve=mode "$1/$3" "$2/$3.sc-new" &&
			mv "$2/$3.sc-new" "$2/$3"
	fi
}

# A hard-linked copy of a pristine tree, made anew only when the pristine tree is another one. What was built in it
# goes: sources keep the time of their release, so that make would not see that they are newer.
link_tree() {	# SOURCE TREE
	local from temp
	from=$(cat "$1.stamp" && echo "$1")
	[[ -d $2 && $(cat "$2.from" 2>/dev/null) == "$from" ]] && return
	mkdir -p "$CACHE/tree"
	temp=$(mktemp -d -p "$CACHE/tree")
	cp -al "$1" "$temp/tree"
	rm -rf "$2" "$2.files" "$2.stamp"
	mv "$temp/tree" "$2"
	rmdir "$temp"
	echo "$from" >"$2.from"
}

# Makes a linked tree hold what is staged. Files that an earlier series touched and this one does not go back to the
# pristine state, as new files too: their time must tell make that they changed.
update_tree() {	# BASE SOURCE STAGE TREE
	local file earlier=$4.files
	touch "$earlier"
	while IFS= read -r file; do
		[[ -e $3/$file || ! -e $2/$file ]] || (cd "$2" && cp --parents "$file" "$3/")
	done < <(comm -23 "$earlier" <(touched_files "$1"))
	# Both lists until all is done, in case this run ends early.
	touched_files "$1" | sort -u - "$earlier" >"$earlier.new"
	mv "$earlier.new" "$earlier"
	while IFS= read -r file; do
		install_file "$3" "$4" "$file" || die "cannot write $4/$file"
	done <"$earlier"
	touched_files "$1" >"$earlier"
}
