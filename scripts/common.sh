# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Sourced by every script: messages, settings and their checks, the cache, what is needed from the machine.

set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# Everything large lives outside the checkout, so that a fresh clone finds it.
CACHE=${XDG_CACHE_HOME:-${HOME:?HOME is not set}/.cache}/swap_compress

# Only in what scripts/bundle.sh packs: qemu, kernels and initramfs.
BUNDLE=$ROOT/bundle
[[ ! -d $BUNDLE ]] || PATH=$BUNDLE/bin:$PATH

# The root Makefile exports its variables and flags; the kernel's makefiles must not take them for their own.
# (KDIR, ARCH, LLVM, JOBS, CPUS, MEM and ACCEL mean nothing to them, or are given again.)
unset MAKEFLAGS MFLAGS MAKELEVEL
export -n BASE CONFIG OUT

# An exported but empty variable is "not given", as with make's own command line.
TMP=
KDIR=${KDIR:-}
LLVM=${LLVM:-}
JOBS=${JOBS:-$(nproc)}
# Of the guests, and of all that is built for them
export ARCH=${ARCH:-x86_64}

# stdout carries results (paths) only; all that is said to people goes to stderr.
note() {
	printf '%s\n' "$*" >&2
}

die() {
	printf 'error: %s\n' "$*" >&2
	exit 1
}

is_number() {	# VALUE MIN MAX
	[[ $1 =~ ^[0-9]{1,9}$ ]] && ((10#$1 >= $2 && 10#$1 <= $3))
}

check_number() {	# NAME VALUE MIN MAX
	is_number "$2" "$3" "$4" || die "$1=$2 is not valid: give a whole number from $3 to $4"
}

check_one_of() {	# NAME VALUE ALLOWED...
	local name=$1 value=$2 allowed
	shift 2
	for allowed; do
		[[ $value == "$allowed" ]] && return
	done
	die "$name=$value is not valid: give one of: $*"
}

bases() {
	awk '$1 !~ /^#/ && NF { print $1 }' "$ROOT/bases/versions"
}

check_base() {
	# shellcheck disable=SC2046 # one word per base
	check_one_of BASE "$1" $(bases)
}

version_field() {	# BASE COLUMN
	awk -v base="$1" -v column="$2" '$1 == base { print $column }' "$ROOT/bases/versions"
}
base_version() { version_field "$1" 2; }
base_pool_name() { version_field "$1" 3; }
base_sha256() { version_field "$1" 4; }
base_parent() { version_field "$1" 5; }

# The trees and builds from a KDIR are kept apart from those of the pinned source.
base_id() {	# BASE
	if [[ -n $KDIR ]]; then
		echo "$1-kdir-$(realpath -m "$KDIR" | sha256sum | cut -c1-8)"
	else
		echo "$1"
	fi
}

# The selftests for a kernel as Android's: no zswap, no fault injection, version 1 of cgroups, memory tags
# shellcheck disable=SC2034
GKI_PROGRAMS=(swap_{compress,change,move,large,memcg,memcg_v1,report,pm,mte,bio}_test)

# What git tracks or would track; without git, everything.
repository_files() {
	(cd "$ROOT" && { git ls-files -co --exclude-standard 2>/dev/null || find . -type f -printf '%P\n'; })
}

check_jobs() {
	check_number JOBS "$JOBS" 1 4096
}

check_arch() {
	check_one_of ARCH "$ARCH" x86_64 arm64
}

# Android's kernels for arm64 are built with Clang only.
check_llvm() {
	[[ $ARCH != arm64 || -n $LLVM ]] || LLVM=-19
	[[ -z $LLVM || $LLVM == [01] || $LLVM =~ ^-[0-9]+$ || $LLVM == /*/ ]] ||
		die "LLVM=$LLVM is not valid: give 0 for gcc, 1, a suffix such as -19, or a folder such as /opt/llvm/bin/"
	[[ $LLVM != 0 ]] || LLVM=
}

# What the names of gcc and its like begin with
cross_prefix() {
	case $ARCH in
	arm64) echo aarch64-linux-gnu- ;;
	esac
}

# The emulator of the guest's architecture
qemu_path() {
	case $ARCH in
	x86_64) echo qemu-system-x86_64 ;;
	arm64) "$ROOT/scripts/foreign.sh" qemu ;;
	esac
}

clang_name() {
	case $LLVM in
	1) echo clang ;;
	/*) echo "${LLVM}clang" ;;
	*) echo "clang$LLVM" ;;
	esac
}

# Prints "package<TAB>reason" for each thing the given stages lack.
missing_packages() {	# STAGE...
	local stage package proof reason suffix
	while read -r stage package proof reason; do
		[[ -z $stage || $stage == \#* ]] && continue
		[[ " $* " == *" ${stage%-"$ARCH"} "* ]] || continue
		if [[ $proof == /* ]]; then
			[[ -e $proof ]] || [[ $proof == /usr/bin/* && -e ${proof#/usr} ]]
		else
			command -v "$proof" >/dev/null
		fi || printf '%s\t%s\n' "$package" "$reason"
	done <"$ROOT/scripts/packages" | sort -u
	if [[ -n $LLVM && $LLVM != /* && " $* " == *" build "* ]]; then
		suffix=${LLVM#1}
		for package in clang lld llvm; do
			proof=$package
			[[ $package == lld ]] && proof=ld.lld
			[[ $package == llvm ]] && proof=llvm-nm
			command -v "$proof$suffix" >/dev/null ||
				printf '%s\t%s\n' "$package$suffix" "LLVM=$LLVM"
		done
	fi
}

# Dies unless the machine has what the stages need; installs nothing (make demo and make test do).
need() {	# STAGE...
	local missing
	missing=$(missing_packages "$@" | cut -f1 | paste -sd' ')
	[[ -z $missing ]] ||
		die "missing Debian packages: $missing
Install them:  apt-get install --no-install-recommends $missing"
}

need_disk() {	# FOLDER MIB WHAT
	local free
	mkdir -p "$1" || die "cannot make the folder $1"
	free=$(df -Pm "$1" | awk 'NR == 2 { print $4 }')
	((free >= $2)) ||
		die "too little disk: $3 needs $2 MiB, $1 has $free MiB free.
Free some, or set XDG_CACHE_HOME to a folder on a larger disk"
}

# One run at a time works on the cache; the scripts that a holder calls go on under its lock.
lock_cache() {
	[[ -n ${SC_LOCK_HELD:-} ]] && return
	mkdir -p "$CACHE" || die "cannot make the folder $CACHE"
	exec 9>>"$CACHE/lock"
	if ! flock -n 9; then
		note "waiting for another run that uses $CACHE"
		flock 9
	fi
	export SC_LOCK_HELD=1
}

# Of those that run at the same time under one holder's lock, one makes a thing and the others wait for it.
lock_thing() {	# PATH
	mkdir -p "${1%/*}" || die "cannot make the folder ${1%/*}"
	exec 8>>"$1.lock"
	flock 8
}

# A temporary folder, removed at exit and when the next one is made. Not for a subshell: it sets traps.
make_tmp() {	# [PARENT]
	[[ -z ${TMP:-} ]] || rm -rf "$TMP"
	TMP=$(mktemp -d -p "${1:-${TMPDIR:-/tmp}}" swap_compress.XXXXXX) || die "cannot make a temporary folder"
	trap 'rm -rf "$TMP"' EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM
}

# Version, patch level and sublevel of a kernel tree; empty when it is none.
tree_version() {	# TREE
	[[ -f $1/Makefile && -f $1/Kconfig && -d $1/mm ]] || return 0
	awk -F' *= *' '$1 == "VERSION" { v = $2 } $1 == "PATCHLEVEL" { p = $2 } $1 == "SUBLEVEL" { s = $2; exit }
		END { if (v != "" && p != "") print v "." p "." s + 0 }' "$1/Makefile"
}

export CCACHE_DIR=$CACHE/ccache CCACHE_MAXSIZE=5G CCACHE_NOHASHDIR=1

# make in a kernel tree, with the compiler behind ccache and nothing in the result that changes from run to run.
kernel_make() {	# TREE BUILD-FOLDER ARGUMENT...
	local tree=$1 build=$2 cc host_cc=gcc
	shift 2
	cc=$(cross_prefix)gcc
	[[ -z $LLVM ]] || { cc=$(clang_name); host_cc=$cc; }
	KBUILD_BUILD_TIMESTAMP='Thu Jan  1 00:00:00 UTC 2026' KBUILD_BUILD_USER=swap_compress KBUILD_BUILD_HOST=swap_compress \
		LC_ALL=C make -C "$tree" O="$build" -j "$JOBS" ARCH="$ARCH" CROSS_COMPILE="$(cross_prefix)" \
		LLVM="$LLVM" CC="ccache $cc" HOSTCC="ccache $host_cc" "$@"
}

# Writes a .config of allnoconfig plus fragments, and checks that every line of them took effect. The first two are for all
# and for the architecture; one of the base follows, if there is one.
kernel_config() {	# TREE BUILD-FOLDER FRAGMENT...
	local tree=$1 build=$2 version line name refused=
	shift 2
	mkdir -p "$build"
	version=$(tree_version "$tree")
	[[ ! -e $ROOT/configs/${version%.*}.config ]] || set -- "$1" "$2" "$ROOT/configs/${version%.*}.config" "${@:3}"
	# A later fragment may change a line of an earlier one: only the last word on an option counts.
	cat "$@" | tac | awk '/^(# )?CONFIG_/ { name = $0; sub(/^# /, "", name); sub(/[= ].*/, "", name)
		if (!seen[name]++) print }' >"$build/fragment.config"
	kernel_make "$tree" "$build" -s KCONFIG_ALLCONFIG="$build/fragment.config" allnoconfig >"$build/config.log" 2>&1 ||
		die "cannot configure the kernel: $(tail -n 5 "$build/config.log")"
	while IFS= read -r line; do
		case $line in
		"# "*)	# off: not set, or unknown to this base
			name=${line#"# "}
			grep -q "^${name%% *}=" "$build/.config" && refused+=$'\n'"  $line" ;;
		*)
			grep -qxF "$line" "$build/.config" || refused+=$'\n'"  $line" ;;
		esac
	done <"$build/fragment.config"
	[[ -z $refused ]] || die "the kernel's configuration refused these lines of the fragments (a dependency is missing?):$refused"
}

show_progress() {	# DONE EXPECTED START
	local left=
	if (($2 > $1 && $1 > 20)); then
		left=$(((EPOCHSECONDS - $3) * ($2 - $1) / $1))
		left=$(printf ', about %d:%02d left' $((left / 60)) $((left % 60)))
	fi
	if [[ -t 2 ]]; then
		printf '\r  %d of about %d objects%s\033[K' "$1" "$2" "$left" >&2
	else
		note "  $1 of about $2 objects$left"
	fi
}

# Copies make's output to the log and counts what it compiles.
follow_build() {	# EXPECTED LOG
	local line done=0 start=$EPOCHSECONDS shown=0 every=15
	[[ -t 2 ]] && every=1
	while IFS= read -r line; do
		printf '%s\n' "$line" >&3
		case $line in
		"  CC "* | "  AS "* | "  HOSTCC "*) done=$((done + 1)) ;;
		*) continue ;;
		esac
		if ((EPOCHSECONDS - shown >= every)); then
			((shown)) && show_progress "$done" $((done > $1 ? done : $1)) "$start"
			shown=$EPOCHSECONDS
		fi
	done 3>"$2"
	[[ ! -t 2 ]] || printf '\r\033[K' >&2
	echo "$done"
}
