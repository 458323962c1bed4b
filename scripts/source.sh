#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# source.sh BASE: prints the path of the verified, pristine kernel tree of a base in the cache.
# Found by: KDIR, an earlier run, the Debian archive this machine uses, Debian's linux-source, kernel.org.

. "$(dirname "$0")/common.sh"

[[ $# == 1 ]] || die "usage: source.sh BASE"
base=$1
check_base "$base"
version=$(base_version "$base")
pool_name=$(base_pool_name "$base")
sha256=$(base_sha256 "$base")
# By version, so that a newly pinned point release does not meet the old one's folder.
tree=$CACHE/src/$(base_id "$base")
[[ -n $KDIR ]] || tree=$CACHE/src/$version

has_sha256() {	# FILE SHA256
	[[ $(sha256sum <"$1" | cut -d' ' -f1) == "$2" ]]
}

check_tree_is_base() {	# TREE WHERE-FROM
	local found
	found=$(tree_version "$1")
	[[ -n $found ]] || die "$2 is not a kernel tree (no Makefile with a version, Kconfig and mm/)"
	[[ $found == "$base".* ]] || die "$2 is Linux $found, not $base: give the BASE= it belongs to ($(bases | paste -sd' '))"
}

# The file comes into place whole or not at all.
unpack() {	# TARBALL
	local top
	need_disk "$CACHE/src" 2500 "unpacking the kernel source"
	make_tmp "$CACHE/src"
	note "unpacking $(basename "$1")"
	tar -C "$TMP" --no-same-owner -xf "$1" || die "cannot unpack $1"
	top=$(find "$TMP" -mindepth 1 -maxdepth 1 -type d)
	[[ -n $top && $top != *$'\n'* ]] || die "$1 does not hold one top folder: not a kernel tarball"
	check_tree_is_base "$top" "$1"
	rm -rf "$tree"
	mv "$top" "$tree"
	sha256sum <"$1" | cut -d' ' -f1 >"$tree.stamp"
}

# Refreshed on each run, since the user may edit KDIR; the stamp tells tree.sh whether anything changed.
copy_kdir() {
	local changes
	[[ ! -e $KDIR/.config && ! -d $KDIR/include/config ]] ||
		die "KDIR=$KDIR holds a build: run 'make mrproper' there first, or give a clean tree"
	need_disk "$CACHE/src" 2500 "a copy of the kernel source"
	command -v rsync >/dev/null || die "a KDIR folder needs rsync: apt-get install rsync"
	changes=$(rsync -a --delete --exclude=/.git --itemize-changes "$KDIR/" "$tree/") ||
		die "cannot copy KDIR=$KDIR"
	[[ -z $changes && -e $tree.stamp ]] || date +%s%N >"$tree.stamp"
}

from_kdir() {
	if [[ -d $KDIR ]]; then
		check_tree_is_base "$KDIR" "KDIR=$KDIR"
		copy_kdir
	elif [[ -f $KDIR ]]; then
		if [[ ! -e $tree.stamp || $tree.stamp -ot $KDIR ]]; then
			unpack "$KDIR"
		fi
	else
		die "KDIR=$KDIR does not exist: give a kernel tree or tarball, or leave KDIR out"
	fi
}

# The archive this machine is configured for, by the release the machine runs; never a security or update suite.
debian_uri() {
	local codename
	command -v apt-get >/dev/null || return 1
	# shellcheck disable=SC1091 # describes the machine, not part of the repository
	codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
	# shellcheck disable=SC2016 # $(...) is apt's own syntax
	apt-get indextargets --format '$(RELEASE)|$(CODENAME)|$(COMPONENT)|$(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
		awk -F'|' -v codename="$codename" '($1 == codename || $2 == codename) && $3 == "main" && uri == "" { uri = $4 }
			END { print uri; exit uri == "" }'
}

# Says only why it failed.
quietly() {	# COMMAND...
	local output
	output=$("$@" 2>&1) && return
	note "  $(grep -m 1 '^E: ' <<<"$output" || echo "it failed")"
	return 1
}

fetch_debian_pool() {
	local uri part=$CACHE/dl/$pool_name.part
	uri=$(debian_uri) || { note "  no Debian archive is configured here"; return 1; }
	note "fetching $pool_name from the Debian archive of this machine (150 MB)"
	rm -f "$part"
	quietly /usr/lib/apt/apt-helper -q=2 download-file "${uri%/}/pool/main/l/linux/$pool_name" "$part" "SHA256:$sha256" ||
		{ rm -f "$part"; return 1; }
	mv "$part" "$CACHE/dl/$pool_name"
}

# apt verifies the package by the archive's signature; it may hold another point release than the pinned one.
fetch_debian_package() {
	local package=linux-source-$base found
	command -v apt-get >/dev/null || return 1
	note "fetching the package $package"
	need_disk "$CACHE/dl" 500 "the package $package"
	make_tmp "$CACHE/dl"
	(cd "$TMP" && quietly apt-get -q=2 download "$package") || return 1
	dpkg-deb -x "$TMP"/*.deb "$TMP" || return 1
	found=$(find "$TMP/usr/src" -name "$package.tar.*" | head -n 1)
	[[ -n $found ]] || return 1
	mv "$found" "$CACHE/dl/$package.tar.${found##*.tar.}"
	rm -rf "$TMP"
}

# kernel.org's own tarball is another file than Debian's: its hash comes from the signed list beside it.
fetch_kernel_org() {
	local url=https://cdn.kernel.org/pub/linux/kernel/v${version%%.*}.x name=linux-$version.tar.xz want
	note "fetching $name from kernel.org (150 MB)"
	download "$url/sha256sums.asc" "$CACHE/dl/sha256sums.asc" || { note "  kernel.org is not reachable"; return 1; }
	want=$(awk -v name="$name" '$2 == name { print $1 }' "$CACHE/dl/sha256sums.asc")
	rm -f "$CACHE/dl/sha256sums.asc"
	[[ $want =~ ^[0-9a-f]{64}$ ]] ||
		{ note "  kernel.org's sha256sums.asc does not list $name: refused, it could not be verified"; return 1; }
	download "$url/$name" "$CACHE/dl/$name.part" || return 1
	has_sha256 "$CACHE/dl/$name.part" "$want" ||
		{ rm -f "$CACHE/dl/$name.part"; note "  $name is damaged: refused"; return 1; }
	mv "$CACHE/dl/$name.part" "$CACHE/dl/$name"
}

# Whichever downloader the machine has; apt-helper is on every Debian.
download() {	# URL FILE
	if command -v curl >/dev/null; then
		curl -fsSL --connect-timeout 20 -o "$2" "$1" >&2
	elif command -v wget >/dev/null; then
		wget -q --timeout=20 -O "$2" "$1" >&2
	else
		/usr/lib/apt/apt-helper download-file "$1" "$2" >&2
	fi || { rm -f "$2"; return 1; }
}

# Files that other ways of an earlier run left here were verified when they came; the pinned one is checked again.
cached_tarball() {
	local file
	if [[ -e $CACHE/dl/$pool_name ]]; then
		if has_sha256 "$CACHE/dl/$pool_name" "$sha256"; then
			echo "$CACHE/dl/$pool_name"
			return
		fi
		note "$CACHE/dl/$pool_name is damaged (wrong SHA256): removed"
		rm -f "$CACHE/dl/$pool_name"
	fi
	for file in "$CACHE/dl/linux-source-$base".tar.* "$CACHE/dl/linux-$version.tar.xz"; do
		[[ -e $file ]] && { echo "$file"; return; }
	done
	return 1
}

fetch() {
	need_disk "$CACHE/dl" 400 "the kernel tarball"
	fetch_debian_pool && return
	[[ $base == 6.12 ]] && fetch_debian_package && return
	fetch_kernel_org && return
	die "no source of Linux $version could be fetched (is there a network?).
Give a tree or tarball of $base that you have:  KDIR=path, or put the verified tarball at
$CACHE/dl/$pool_name"
}

lock_cache
need source
mkdir -p "$CACHE/dl"
lock_thing "$CACHE/src/$base"
if [[ -n $KDIR ]]; then
	from_kdir
elif [[ ! -e $tree.stamp || ! -d $tree ]]; then
	tarball=$(cached_tarball) || { fetch; tarball=$(cached_tarball) || die "the fetched file of $base is gone"; }
	unpack "$tarball"
fi
echo "$tree"
