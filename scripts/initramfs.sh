#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# initramfs.sh OUT [BASE]: builds the guest's initramfs: busybox, the guest programs, their content, the jobs. No root.
# MIX_MIB: amount of content, 16 MiB by default.

. "$(dirname "$0")/common.sh"

[[ $# == 1 || $# == 2 ]] || die "usage: initramfs.sh OUT [BASE]"
out=$(realpath -m "$1") base=${2:-${BASE:-6.18}}
check_base "$base"
MIX_MIB=${MIX_MIB:-16}
check_number MIX_MIB "$MIX_MIB" 1 256

SELFTESTS=$ROOT/tools/testing/selftests/swap_compress
CC=${CC:-gcc}

# Everything the file depends on but the kernel tree, which $tree names. The same stamp means that there is nothing to do.
stamp() {
	echo "$tree $MIX_MIB"
	cat "$ROOT"/guest/{init,lib.sh,initramfs.list} "$ROOT"/guest/jobs/* "$SELFTESTS"/*.[ch] \
		"$ROOT"/scripts/{initramfs.sh,mix.py} "$busybox"
	"$CC" --version
}

compile() {	# PROGRAM SOURCE...
	local program=$1
	shift
	"$CC" -static -O2 -Wall -Wextra -Werror -D_GNU_SOURCE= -pthread -isystem "$tree/tools/testing/selftests" -o "$program" "$@" ||
		die "cannot compile ${program##*/}"
}

# Those of the kernel that concern zswap and zram as swap. Not ours to make free of warnings.
kernel_selftests() {	# FOLDER
	"$CC" -static -O2 -w -D_GNU_SOURCE -I "$1" -I "$1/cgroup" -I "$1/cgroup/lib/include" -o "$BUILD/test_zswap" \
		"$1/cgroup/test_zswap.c" "$(find "$1/cgroup" -name cgroup_util.c)" || die "cannot compile the kernel's test_zswap"
	cp "$1"/zram/{zram02.sh,zram_lib.sh} "$BUILD" || die "the kernel's selftests of zram are not there"
}

# What initramfs.list calls ${BUILD}: all that is made here.
build_parts() {
	local test
	compile "$BUILD/swap_load" "$SELFTESTS"/{swap_load,apps,busy,mix,sysfile}.c
	for test in swap_{compress,change,zswap,large,memcg,node,fault,pm}_test; do
		compile "$BUILD/$test" "$SELFTESTS"/{"$test",busy,pressure,mix,sysfile}.c
	done
	kernel_selftests "$tree/tools/testing/selftests"
	"$CC" -O2 -o "$BUILD/gen_init_cpio" "$tree/usr/gen_init_cpio.c" || die "cannot compile the kernel's gen_init_cpio"
	python3 "$ROOT/scripts/mix.py" "$tree" "$BUILD/mix" "$MIX_MIB" || die "cannot collect the content for the guest"
}

lock_cache
need build guest
busybox=$(command -v busybox)
! readelf -l "$busybox" | grep -q INTERP ||
	die "$busybox is not static, the guest has no libraries: install the package busybox-static"
tree=$("$ROOT/scripts/source.sh" "$base")
want=$(stamp | sha256sum)
if [[ ! -e $out || $(cat "$out.stamp" 2>/dev/null) != "$want" ]]; then
	mkdir -p "${out%/*}" || die "cannot make the folder ${out%/*}"
	make_tmp "${out%/*}"
	export GUEST=$ROOT/guest BUSYBOX=$busybox BUILD=$TMP
	build_parts
	# Not compressed: unpacking costs an emulated guest more than reading does.
	"$BUILD/gen_init_cpio" -t 0 "$ROOT/guest/initramfs.list" >"$TMP/cpio" ||
		die "cannot write the initramfs"
	mv "$TMP/cpio" "$out"
	echo "$want" >"$out.stamp"
fi
echo "$out"
