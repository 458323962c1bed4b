#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# deb.sh BASE OUT [KCONFIG]: Debian packages of the patched kernel of a base, in OUT, made by the kernel's own bindeb-pkg.
# KCONFIG: the configuration, by default that of the running kernel. Debug information is left out.

. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/stage.sh"

(($# == 2 || $# == 3)) || die "usage: deb.sh BASE OUT [KCONFIG]"
base=$1 out=$(realpath -m "$2") given=${3:-}
check_base "$base"
check_jobs
check_llvm
check_one_of ARCH "$ARCH" x86_64

# The configuration of the running kernel
running_config() {
	local file
	for file in "/boot/config-$(uname -r)" /proc/config.gz; do
		[[ ! -r $file ]] || { echo "$file"; return; }
	done
	die "the configuration of the running kernel is neither /boot/config-$(uname -r) nor /proc/config.gz: name one, KCONFIG=file"
}

option() {	# NAME
	grep -qx "CONFIG_$1=[ym]" "$build/.config"
}

configure() {
	local source=$1
	mkdir -p "$build"
	zcat -f "$source" >"$build/.config"
	grep -q '^CONFIG_' "$build/.config" || die "KCONFIG=$source is no configuration of a kernel"
	# Keys that only the distribution has, and what fills the disk.
	"$tree/scripts/config" --file "$build/.config" --enable SWAP_COMPRESS_WQ --set-str LOCALVERSION -swap-compress \
		--disable LOCALVERSION_AUTO --set-str SYSTEM_TRUSTED_KEYS "" --set-str SYSTEM_REVOCATION_KEYS "" \
		--disable DEBUG_INFO_DWARF_TOOLCHAIN_DEFAULT --disable DEBUG_INFO_DWARF4 --disable DEBUG_INFO_DWARF5 \
		--enable DEBUG_INFO_NONE
	kernel_make "$tree" "$build" -s olddefconfig >"$build.log" 2>&1 || die "cannot configure the kernel: $(tail -n 5 "$build.log")"
	option SWAP_COMPRESS_WQ || die "CONFIG_SWAP_COMPRESS_WQ cannot be switched on in $source: it needs CONFIG_SWAP"
	option ZRAM || option ZSWAP || note "warning: $source has neither zram nor zswap, without which nothing is handed over"
}

# An option that is on stands for two objects. That is far from exact.
announce() {
	options=$(grep -c '^CONFIG_.*=[ym]$' "$build/.config")
	note "building linux-image-$version-swap-compress with JOBS=$JOBS: $options options are on. A first build of so many takes" \
		"about $((options * OBJECTS * SECONDS_100 / 100 / JOBS / 60 + 1)) minutes on CPUs like those this was measured on," \
		"and $((options * OBJECTS * KIB / 1024 + 100)) MB in $CACHE/build"
	need_disk "$CACHE/build" $((options * OBJECTS * KIB / 1024 + 100)) "this kernel build"
}

# For an option that is on; for an object: hundredths of a second of one CPU, as measured in 2026, and KiB of disk
OBJECTS=2 SECONDS_100=60 KIB=120

[[ -n $given ]] || given=$(running_config)
[[ -r $given ]] || die "KCONFIG=$given cannot be read"
[[ ! -e $out || -d $out && -z $(ls -A "$out") ]] || die "$out is there already and not empty: name a new folder, OUT=folder"
"$ROOT/scripts/setup.sh" source patch build deb
lock_cache
tree=$("$ROOT/scripts/tree.sh" "$base")
version=$(tree_version "$tree")
build=$CACHE/build/$(base_id "$base")-deb/kernel
configure "$given"
announce
rm -f "${build%/*}"/*.deb
done=$(kernel_make "$tree" "$build" "KDEB_PKGVERSION=$version-1" KBUILD_VERBOSE= bindeb-pkg 2>&1 |
	follow_build $((options * OBJECTS)) "$build.log") || {
	grep -m 8 -E '(error|Error)[: ]|unmet|No space left|Killed' "$build.log" >&2 || tail -n 8 "$build.log" >&2
	die "the packages cannot be built; the log: $build.log"
}
mkdir -p "$out" || die "cannot make the folder $out"
mv "${build%/*}"/*.deb "$out/"
note "built: $done objects. Install linux-image-*.deb with apt; in the menu of the boot loader older kernels stay. Switch it on: echo 1 > /sys/kernel/mm/swap_compress/enabled"
printf '%s\n' "$out"/*.deb
