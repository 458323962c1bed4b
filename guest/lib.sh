# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh disable=SC2034,SC2154 # sourced; sc_* come from the kernel command line
# What the jobs share. Their stdout is the result, their stderr the console.

FEATURE=/sys/kernel/mm/swap_compress
WORKQUEUE=/sys/devices/virtual/workqueue/swap_compress
MIX=/data/mix

die() {
	echo "error: $*"
	echo "error: $*" >&2
	exit 1
}

# The amounts of the workload follow from MemTotal, and so does what they swap.
memory_mib() {
	awk '$1 == "MemTotal:" { print int($2 / 1024) }' /proc/meminfo
}

# zram as swap: sc.comp (default lz4), sc.disksize in MiB (default one and a half times the memory).
setup_zram() {
	comp=${sc_comp:-lz4}
	size=${sc_disksize:-$(($(memory_mib) * 3 / 2))}
	[ ! -e /zsmalloc.ko ] || insmod /zsmalloc.ko || die "cannot load /zsmalloc.ko"
	[ ! -e /zram.ko ] || insmod /zram.ko || die "cannot load /zram.ko"
	[ -e /sys/block/zram0 ] || die "this kernel has no zram (CONFIG_ZRAM)"
	echo "$comp" >/sys/block/zram0/comp_algorithm ||
		die "zram does not know sc.comp=$comp; it has: $(cat /sys/block/zram0/comp_algorithm)"
	echo "${size}M" >/sys/block/zram0/disksize || die "zram refuses sc.disksize=$size"
	mkswap /dev/zram0 >/dev/null || die "mkswap /dev/zram0 failed"
	swapon /dev/zram0 || die "swapon /dev/zram0 failed"
	# As on every system that swaps to memory: no read-ahead, anonymous memory first.
	echo 0 >/proc/sys/vm/page-cluster
	echo 100 >/proc/sys/vm/swappiness
	echo "zram.comp $comp"
	echo "zram.disksize_mib $size"
}

# One more zram, which compresses like the one that is swap. Its number is left in $number.
add_zram() {	# SIZE
	number=$(cat /sys/class/zram-control/hot_add) || die "there is no zram control"
	{ echo "${sc_comp:-lz4}" >/sys/block/zram"$number"/comp_algorithm && echo "$1" >/sys/block/zram"$number"/disksize; } ||
		die "zram$number cannot be set up"
}

# Its writes by others than swap: 1: by workers too, 0: not.
set_parallel_writes() {	# NUMBER 0|1
	[ -e /sys/block/zram"$1"/parallel_writes ] || die "this kernel's zram has no parallel_writes"
	echo "$2" >/sys/block/zram"$1"/parallel_writes || die "parallel_writes cannot be set"
}

# sc.store=zram (default), or zswap in front of it with the same compressor.
setup_store() {
	case ${sc_store:=zram} in
	zram) ;;
	zswap)
		zswap=/sys/module/zswap/parameters
		[ -d $zswap ] || die "this kernel has no zswap (CONFIG_ZSWAP)"
		echo "${sc_comp:-lz4}" >$zswap/compressor || die "zswap does not know sc.comp=$sc_comp"
		# All of it is to fit.
		{ echo 60 >$zswap/max_pool_percent && echo 1 >$zswap/enabled; } || die "zswap cannot be switched on"
		;;
	*) die "sc.store=$sc_store is not valid: zram or zswap" ;;
	esac
	echo "store $sc_store"
}

# What is handed over besides what kswapd reclaims of anonymous memory.
setup_sources() {	# SHMEM(0 or 1) PROACTIVE(0 or 1)
	{ echo "$1" >"$FEATURE/shmem" && echo "$2" >"$FEATURE/proactive"; } || die "the sources cannot be set"
}

# sc.mode=on|off; a kernel without the feature can only be off.
setup_mode() {
	case ${sc_mode:-off} in
	on)
		[ -d "$FEATURE" ] || die "this kernel has no $FEATURE: sc.mode=on needs CONFIG_SWAP_COMPRESS_WQ"
		echo 1 >"$FEATURE/enabled" || die "the feature cannot be switched on"
		[ "$(cat "$FEATURE/enabled")" = 1 ] || die "the feature did not switch on"
		;;
	off)
		[ ! -d "$FEATURE" ] || echo 0 >"$FEATURE/enabled" || die "the feature cannot be switched off"
		;;
	*)
		die "sc.mode=$sc_mode is not valid: on or off"
		;;
	esac
	echo "mode ${sc_mode:-off}"
}

# sc.lru_gen=0: reclaim by the classic LRU lists; sc.lru_gen=y: by generations. Otherwise as the kernel was built.
setup_lru() {
	lru=/sys/kernel/mm/lru_gen/enabled
	[ -z "${sc_lru_gen:-}" ] || echo "$sc_lru_gen" >$lru || die "sc.lru_gen=$sc_lru_gen is not valid, or this kernel has no MGLRU"
	case ${sc_lru_gen:-} in
	0) [ "$(cat $lru)" = 0x0000 ] || die "MGLRU did not switch off" ;;
	esac
}

describe() {
	setup_lru
	echo "kernel $(uname -r)"
	echo "arch $(uname -m)"
	echo "accel ${sc_accel:-unknown}"
	echo "cpu $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)"
	echo "cpus $(grep -c ^processor /proc/cpuinfo)"
	echo "lru_gen $(cat /sys/kernel/mm/lru_gen/enabled 2>/dev/null || echo none)"
	echo "idle $(sed -nE 's/.*(^| )(idle=[a-z]+|nohlt)( .*|$)/\2/p' /proc/cmdline)"
}

# "PREFIX.name value" of each file in a folder.
show_files() {	# PREFIX FOLDER
	for file in "$2"/*; do
		[ -f "$file" ] && echo "$1.${file##*/} $(cat "$file")"
	done
}
