#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# initramfs.sh OUT [BASE]: builds the guest's initramfs: busybox, the workload, the selftests, their content, the jobs, for
# ARCH. No root.
# MIX_MIB: amount of content, 16 MiB by default.

. "$(dirname "$0")/common.sh"

[[ $# == 1 || $# == 2 ]] || die "usage: initramfs.sh OUT [BASE]"
out=$(realpath -m "$1") base=${2:-${BASE:-6.18}}
check_base "$base"
MIX_MIB=${MIX_MIB:-16}
check_number MIX_MIB "$MIX_MIB" 1 256

LOAD=$ROOT/bench/load
SELFTESTS=$ROOT/tools/testing/selftests/swap_compress
check_arch
CC=${CC:-$(cross_prefix)gcc}

# Everything the file depends on but the kernel tree, which $tree names. The same stamp means that there is nothing to do.
stamp() {
	echo "$tree $MIX_MIB $ARCH"
	cat "$ROOT"/guest/{init,lib.sh,initramfs.list} "$ROOT"/guest/jobs/* "$ROOT"/tools/mm/* "$LOAD"/*.[ch] "$SELFTESTS"/* \
		"$ROOT"/scripts/{initramfs.sh,mix.py} "$busybox"
	"$CC" --version
}

# The workloads, with what they share with the selftests
load() {	# PROGRAM SOURCE...
	local program=$1
	shift
	"$CC" -static -s -O2 -Wall -Wextra -Werror -D_GNU_SOURCE= -pthread -I "$SELFTESTS" -o "$BUILD/$program" \
		"${@/#/$LOAD/}" "$SELFTESTS"/{busy,mix,sysfile}.c || die "cannot compile $program"
}

# An empty file system, which busybox cannot make
ext4_image() {
	truncate -s 256M "$BUILD/ext4"
	# Not everybody's PATH has it.
	PATH=$PATH:/sbin:/usr/sbin mke2fs -q -t ext4 -b 4096 "$BUILD/ext4" || die "mke2fs cannot make an ext4 file system"
	gzip -9 "$BUILD/ext4"
}

# Ours, built and installed by the kernel's own makefiles. Prints their lines of the initramfs' list.
selftests() {	# PATCHED-TREE
	local log=$BUILD/selftests.log install=$BUILD/install
	make -C "$1/tools/testing/selftests" "O=$BUILD" "CC=$CC" "ARCH=$ARCH" "CROSS_COMPILE=$(cross_prefix)" \
		USERCFLAGS=-Werror USERLDFLAGS=-s TARGETS=swap_compress "KSFT_INSTALL_PATH=$install" install >"$log" 2>&1 ||
		die "cannot build the selftests:
$(tail -n 20 "$log")"
	# Folders before what is in them, and the same order each time
	find "$install" -type d -printf 'dir /kselftest/%P 0755 0 0\n' \
		-o -type f -printf "file /kselftest/%P $install/%P 0755 0 0\n" | sed 's|/ 0755| 0755|' | LC_ALL=C sort
}

busybox() {
	case $ARCH in
	x86_64) type -P busybox ;;
	arm64) "$ROOT/scripts/foreign.sh" busybox ;;
	esac
}

# What initramfs.list calls ${BUILD}: all that is made here.
build_parts() {
	load swap_load swap_load.c apps.c
	load file_load file_load.c
	ext4_image
	cp "$ROOT/guest/initramfs.list" "$BUILD/list"
	selftests "$("$ROOT/scripts/tree.sh" "$base")" >>"$BUILD/list"
	gcc -O2 -o "$BUILD/gen_init_cpio" "$tree/usr/gen_init_cpio.c" || die "cannot compile the kernel's gen_init_cpio"
	python3 "$ROOT/scripts/mix.py" "$tree" "$BUILD/mix" "$MIX_MIB" || die "cannot collect the content for the guest"
}

lock_cache
need source patch build guest
busybox=$(busybox)
! readelf -l "$busybox" | grep -q INTERP ||
	die "$busybox is not static, the guest has no libraries: install the package busybox-static"
tree=$("$ROOT/scripts/source.sh" "$base")
want=$(stamp | sha256sum)
if [[ ! -e $out || $(cat "$out.stamp" 2>/dev/null) != "$want" ]]; then
	mkdir -p "${out%/*}" || die "cannot make the folder ${out%/*}"
	make_tmp "${out%/*}"
	export GUEST=$ROOT/guest TOOLS=$ROOT/tools/mm BUSYBOX=$busybox BUILD=$TMP
	build_parts
	# Not compressed: unpacking costs an emulated guest more than reading does.
	"$BUILD/gen_init_cpio" -t 0 "$BUILD/list" >"$TMP/cpio" ||
		die "cannot write the initramfs"
	mv "$TMP/cpio" "$out"
	echo "$want" >"$out.stamp"
fi
echo "$out"
