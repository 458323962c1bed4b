#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# series.sh BASE OUT [android [BUG]]: writes the series of a base, new files included, for git am or git send-email.
# Prints OUT. Author, Signed-off-by and maintainer are the git identity of whoever runs this: the submitter signs.
# With "android", for Gerrit: subjects begin with ANDROID:, messages end with Bug: BUG, if given, and Change-Id:, there is
# no cover letter, and hunks have the context of the patches of bases/, which fits trees with vendors' changes, too.

. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/stage.sh"

[[ $# -ge 2 && $# -le 4 && -n $2 && ${3:-android} == android ]] || die "usage: series.sh BASE OUT [android [BUG]]"
base=$1 out=$2 android=${3:-} bug=${4:-}
check_base "$base"
[[ -n $(series_lines) ]] || die "bases/series is empty: no series to write"
# Only what an earlier run wrote is replaced.
[[ ! -e $out || -d $out ]] || die "OUT=$out is not a folder"
[[ ! -d $out || -z $(find "$out" -mindepth 1 ! -name '[0-9][0-9][0-9][0-9]-*.patch' -print -quit) ]] ||
	die "OUT=$out holds other files: give an empty or new folder"

use_identity() {
	local ident
	ident=$(git -C "$ROOT" var GIT_AUTHOR_IDENT 2>/dev/null) ||
		die "git does not know who you are: git config --global user.name NAME; git config --global user.email ADDRESS"
	GIT_AUTHOR_NAME=${ident%% <*}
	GIT_AUTHOR_EMAIL=${ident#*<}
	GIT_AUTHOR_EMAIL=${GIT_AUTHOR_EMAIL%%>*}
	export GIT_COMMITTER_NAME=$GIT_AUTHOR_NAME GIT_COMMITTER_EMAIL=$GIT_AUTHOR_EMAIL
	# The user's own settings (signing, prefixes, hooks) are for his repositories, not for these temporary ones.
	export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null GIT_AUTHOR_NAME GIT_AUTHOR_EMAIL
}

# A repository with only the files that the series touches, in their pristine state.
start_repository() {	# FOLDER
	stage_pristine "$base" "$tree" "$1"
	git -C "$1" init -q -b series
	git -C "$1" add -A
	git -C "$1" commit -q --allow-empty -m "Linux $version"
}

# The message of a patch file, as git am reads it; From and Date are not needed.
message() {	# PATCH-FILE
	local subject
	subject=$(git mailinfo "$TMP/body" "$TMP/diff" <"$1" | sed -n 's/^Subject: //p')
	[[ -n $subject ]] || die "$1 has no Subject: line"
	printf '%s\n\n' "$subject"
	cat "$TMP/body"
}

# What Gerrit wants. A change keeps its Change-Id when the patch changes or gets another number: a new upload updates it.
add_gerrit_tags() {	# PATCH MESSAGE-FILE
	local -a tags=()
	[[ -z $bug ]] || tags+=(--trailer "Bug: $bug")
	tags+=(--trailer "Change-Id: I$(sha1sum <<<"swap_compress $base ${1#*-}" | cut -c1-40)")
	sed -i '1s/^/ANDROID: /' "$2"
	git -C "$TMP/repo" interpret-trailers --in-place "${tags[@]}" "$2"
}

# Takes hunks from the patches of bases/, except for new files and for MAINTAINERS, where they have no name.
take_hunks() {	# FOLDER
	local mail patch
	{ all_overlay_files; echo MAINTAINERS; } >"$TMP/own"
	for mail in "$1"/*.patch; do
		read -r patch
		{
			sed '/^diff --git /Q' "$mail"
			patch_parts others "$TMP/own" "$(base_patch "$base" "$patch")"
			patch_parts listed "$TMP/own" "$mail"
		} >"$TMP/mail"
		mv "$TMP/mail" "$mail"
	done <"$TMP/committed"
}

# In the entry of MAINTAINERS, which the patch leaves without a name.
add_maintainer() {	# FOLDER
	sed -i "/^SWAP COMPRESSION WORKQUEUE\$/a M:\t$GIT_AUTHOR_NAME <$GIT_AUTHOR_EMAIL>" "$1/MAINTAINERS"
}

commit_series() {	# FOLDER
	local patch paths
	while read -r patch paths; do
		# shellcheck disable=SC2086 # paths without blanks
		stage_commit "$base" "$1" "Linux $version" "$patch" $paths
		[[ $patch != *-MAINTAINERS-* ]] || add_maintainer "$1"
		git -C "$1" add -A
		# A base that has no use for a commit has a patch that says why, and changes nothing.
		! git -C "$1" diff --cached --quiet || continue
		message "$(base_patch "$base" "$patch")" >"$TMP/message"
		[[ -z $android ]] || add_gerrit_tags "$patch" "$TMP/message"
		git -C "$1" commit -q -s -F "$TMP/message"
		echo "$patch" >>"$TMP/committed"
	done < <(series_lines)
}

# The cover letter, in which {N} is commit N of bases/series: with its number in this series. A line about one that this base
# does without is left out.
number_cover() {
	awk 'NR == FNR { number[+substr($1, 1, 4)] = NR; next }
		{
			while (match($0, /[{][0-9]+[}]/)) {
				n = number[+substr($0, RSTART + 1, RLENGTH - 2)]
				if (!n)
					next
				$0 = substr($0, 1, RSTART - 1) n substr($0, RSTART + RLENGTH)
			}
			print
		}' "$TMP/committed" "$ROOT/bases/cover.txt"
}

# The cover letter goes to everybody whom MAINTAINERS names for one of the patches.
address_cover() {	# FOLDER
	local patched list
	patched=$("$ROOT/scripts/tree.sh" "$base")
	list=$(cd "$patched" && perl scripts/get_maintainer.pl --no-git --no-git-fallback --no-rolestats "$1"/000[1-9]-*.patch "$1"/00[1-9]*.patch) ||
		die "scripts/get_maintainer.pl of Linux $version fails"
	sed -i "/^Date: /a Cc: $(sed -z 's/\n$//; s/\n/,\\n    /g' <<<"$list")" "$1"/0000-*.patch
}

lock_cache
need source patch
use_identity
tree=$("$ROOT/scripts/source.sh" "$base")
version=$(tree_version "$tree")
check_series "$base"
make_tmp ""
start_repository "$TMP/repo"
start=$(git -C "$TMP/repo" rev-parse HEAD)
commit_series "$TMP/repo"
cover=()
if [[ -z $android && -e $ROOT/bases/cover.txt ]]; then
	git -C "$TMP/repo" config branch.series.description "$(number_cover)"
	cover=(--cover-letter --cover-from-description=subject)
fi
git -C "$TMP/repo" format-patch -q -n --stat=72 "${cover[@]}" -o "$TMP/out" "$start..HEAD"

((${#cover[@]} == 0)) || address_cover "$TMP/out"
[[ -z $android ]] || take_hunks "$TMP/out"

# What git am makes of it is what make tree makes.
start_repository "$TMP/verify"
find "$TMP/out" -name '*.patch' ! -name '0000-*' | sort | xargs git -C "$TMP/verify" am -q >"$TMP/am.log" 2>&1 ||
	die "git am refuses the series: $(tail -n 5 "$TMP/am.log")"
stage "$base" "$tree" "$TMP/stage" "Linux $version"
diff -r --exclude=.git --exclude=MAINTAINERS "$TMP/verify" "$TMP/stage" >&2 || die "the series does not give the same files as make tree"

mkdir -p "$out" || die "cannot make OUT=$out"
find "$out" -name '[0-9][0-9][0-9][0-9]-*.patch' -delete
mv "$TMP"/out/*.patch "$out/"
note "$(find "$out" -name '*.patch' | wc -l) files for Linux $version, checked with git am"
realpath "$out"
