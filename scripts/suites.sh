#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# suites.sh BASE short|long: other people's tests under memory pressure, on a debug kernel, with the feature off and on:
# the kernel's own selftests of mm, cgroups and zram, and stress-ng. See guest/jobs/suites for how they are compared. The long
# form also has fio, see guest/jobs/fio.
# ONLY=REGEX takes the tests that match. Last line: N passed, N failed, N skipped.

. "$(dirname "$0")/common.sh"

[[ $# == 2 ]] || die "usage: suites.sh BASE short|long"
base=$1 length=$2 ONLY=${ONLY:-}
check_base "$base"
check_arch
check_one_of LENGTH "$length" short long
check_jobs
check_llvm
grep -qE -e "$ONLY" <<<"" || (($? == 1)) || die "ONLY=$ONLY is no regular expression"

# The kernel's selftests of mm that are built; a base that lacks one goes without it.
MM=(cow uffd-unit-tests madv_populate ksm_functional_tests process_madv split_huge_page_test migration mremap_test
	mremap_dontunmap soft-dirty pagemap_ioctl guard-regions khugepaged compaction_test)
CGROUP=(test_memcontrol test_zswap)
# What takes seconds of each kind
SHORT="mm/madv_populate mm/process_madv mm/mremap_dontunmap mm/guard-regions
	zram/zram02 stress-ng/vm stress-ng/madvise stress-ng/pageswap"
CC=${CC:-$(cross_prefix)gcc}
# Where libraries are: this machine, or a folder with those of arm64
root='' triplet=x86_64-linux-gnu
[[ $ARCH != arm64 ]] || triplet=aarch64-linux-gnu
selftests='' tmp=

# The programs are static: the guest has no libraries.
compile() {	# PROGRAM SOURCE-OR-OPTION...
	local program=$1
	shift
	"$CC" -static -O2 -w -no-pie -U_FORTIFY_SOURCE -D_GNU_SOURCE= -I "$selftests" ${root:+-idirafter "$root/usr/include"} -o "$program" "$@" \
		${root:+-L "$root/usr/lib/$triplet"} -luring -lnuma -lrt -lpthread -lm || die "cannot compile the kernel's selftest ${program##*/}"
}

mm_tests() {
	local test more
	local -a headers=(-I "$tmp" -I "$tree" -isystem "$tmp/headers/usr/include" -I "$tree/tools/include/uapi")
	mkdir "$tmp/mm"
	kernel_make "$tree" "$tmp/headers" -s headers >"$tmp/log" 2>&1 || die "no kernel headers: $(tail -n 5 "$tmp/log")"
	# What mm/check_config.sh would find out, and write into the source tree.
	echo "#define LOCAL_CONFIG_HAVE_LIBURING 1" >"$tmp/local_config.h"
	for test in "${MM[@]}"; do
		[[ -e $selftests/mm/$test.c ]] || continue
		more=()
		[[ $test != uffd-* ]] || more=("$selftests/mm/uffd-common.c")
		compile "$tmp/mm/$test" "${headers[@]}" "$selftests"/mm/{"$test",vm_util,thp_settings}.c "${more[@]}"
	done
}

cgroup_tests() {
	local test util
	mkdir "$tmp/cgroup"
	util=$(find "$selftests/cgroup" -name cgroup_util.c)
	for test in "${CGROUP[@]}"; do
		# As the kernel builds them: optimised, the memory that they fill and free is not even filled.
		compile "$tmp/cgroup/$test" -O0 -I "$selftests/cgroup" -I "$selftests/cgroup/lib/include" "$selftests/cgroup/$test.c" "$util"
	done
}

# The libraries that a program needs, and those that they need. Some lie in a folder of their own.
libraries() {	# PROGRAM
	local name file
	local -a todo=("$root/usr/bin/$1")
	local -A seen=()
	while ((${#todo[@]})); do
		while read -r name; do
			[[ ! ${seen[$name]:-} ]] || continue
			seen[$name]=yes
			for file in "$root"{/lib,/usr/lib}/"$triplet/$name" "$root/usr/lib/$triplet"/*/"$name" ""; do
				[[ ! -e $file ]] || break
			done
			[[ -n $file ]] || die "$1 needs $name, which is not in $root/usr/lib/$triplet"
			echo "$file"
			[[ $name == ld-linux* ]] || todo+=("$file")
		done < <(readelf -d "${todo[0]}" | sed -nE 's/.*\(NEEDED\).*\[(.*)\]/\1/p')
		todo=("${todo[@]:1}")
	done
}

# One of Debian's programs with its loader and libraries, at the places where the loader looks for them.
program_list() {	# NAME PATH-IN-GUEST
	local program loader file
	program=$root/usr/bin/$1
	loader=$(readelf -l "$program" | sed -nE 's/.*program interpreter: (.*)\]/\1/p')
	echo "file $2 $program 0755 0 0"
	[[ $loader == /lib/* ]] || echo "dir ${loader%/*} 0755 0 0"
	echo "dir /lib 0755 0 0"
	echo "dir /lib/$triplet 0755 0 0"
	# Packages of Debian 13 have it below /usr.
	file=$root$loader
	[[ -e $file ]] || file=$root/usr$loader
	echo "file $loader $(realpath "$file") 0755 0 0"
	libraries "$1" | grep -v /ld-linux | while read -r file; do
		echo "file /lib/$triplet/${file##*/} $(realpath "$file") 0755 0 0"
	done
}

cpio_list() {
	local file
	echo "file /jobs/suites $ROOT/guest/jobs/suites 0755 0 0"
	echo "dir /suites 0755 0 0"
	for file in "$tmp"/{mm,cgroup}/* "$selftests"/zram/zram{02,_lib}.sh; do
		echo "${file%/*}"
	done | sort -u | sed 's|.*/||; s|.*|dir /suites/& 0755 0 0|'
	for file in "$tmp"/{mm,cgroup}/* "$selftests"/zram/zram{02,_lib}.sh; do
		echo "file /suites/$(basename "${file%/*}")/${file##*/} $file 0755 0 0"
	done
	echo "dir /suites/stress-ng 0755 0 0"
	program_list stress-ng /suites/stress-ng/stress-ng
}

# fio needs libraries of 60 MB, for devices that no guest has.
fio_list() {
	truncate -s 256M "$tmp/f2fs"
	# Not everybody's PATH has it.
	PATH=$PATH:/sbin:/usr/sbin mkfs.f2fs -q "$tmp/f2fs" >"$tmp/log" 2>&1 || die "mkfs.f2fs cannot make a file system: $(tail -n 5 "$tmp/log")"
	gzip -9 "$tmp/f2fs"
	echo "file /jobs/fio $ROOT/guest/jobs/fio 0755 0 0"
	echo "file /data/f2fs.gz $tmp/f2fs.gz 0444 0 0"
	program_list fio /bin/fio
}

stamp() {
	echo "$tree $root"
	cat "$plain" "$ROOT/guest/jobs"/{suites,fio} "$ROOT/scripts/suites.sh"
	"$CC" --version
	[[ -n $root ]] || dpkg-query -W stress-ng fio f2fs-tools libnuma-dev liburing-dev libc6
}

# Adds the files of a list to the initramfs of the other guests.
pack() {	# LIST-FUNCTION OUT
	"$1" >"$tmp/list"
	"$tmp/gen_init_cpio" -t 0 "$tmp/list" >"$tmp/cpio" || die "cannot write the initramfs of the suites"
	cat "$plain" "$tmp/cpio" >"$tmp/initrd"
	mv "$tmp/initrd" "$2"
}

make_initrds() {
	local want
	initrd=$CACHE/build/initramfs-suites-$base-$ARCH
	want=$(stamp | sha256sum)
	[[ ! -e $initrd || $(cat "$initrd.stamp" 2>/dev/null) != "$want" ]] || return 0
	make_tmp "$CACHE/build"
	tmp=$TMP
	mm_tests
	cgroup_tests
	gcc -O2 -o "$tmp/gen_init_cpio" "$tree/usr/gen_init_cpio.c" || die "cannot compile the kernel's gen_init_cpio"
	pack fio_list "$initrd-fio"
	pack cpio_list "$initrd"
	echo "$want" >"$initrd.stamp"
}

passed=0 failed=0 skipped=0 job=suites
guest() {	# NAME SECONDS TESTS [GUEST-ARGUMENT...]
	local name=suites-$base-$ARCH-$length-$1 timeout=$2 tests result oks skips bad
	tests=$(tr -s ' \t' '\n' <<<"$3" | grep -E -e "$ONLY" | paste -sd,) || return 0
	shift 3
	result=$logs/$name.result
	if "$ROOT/scripts/guest.sh" --kernel "$kernel" --initrd "$initrd" --result "$result" --console "$logs/$name.console" \
		--timeout "$timeout" --mem 640 --follow "$@" \
		--append "panic_on_warn=1 numa=fake=2 ramdisk_size=131072 sc.job=$job sc.seconds=$seconds sc.tests=$tests"; then
		bad=0
	else
		echo "FAIL  $name; console: $logs/$name.console, result: $result"
		bad=$(grep -cE '^not ok ' "$result" || true)
		((bad)) || bad=1
	fi
	oks=$(grep -cE '^ok ' "$result" || true)
	skips=$(grep -cE '^ok .*# SKIP' "$result" || true)
	passed=$((passed + oks - skips)) failed=$((failed + bad)) skipped=$((skipped + skips))
}

"$ROOT/scripts/setup.sh" source patch build guest suites
lock_cache
logs=$CACHE/log
mkdir -p "$logs" "$CACHE/build"
tree=$("$ROOT/scripts/source.sh" "$base")
selftests=$tree/tools/testing/selftests
kernel=$("$ROOT/scripts/kernel.sh" "$base" "$ARCH" debug)
plain=$("$ROOT/scripts/initramfs.sh" "$CACHE/build/initramfs-$base-$ARCH-16" "$base")
[[ $ARCH == x86_64 ]] || root=$("$ROOT/scripts/foreign.sh" suites)
make_initrds
if [[ $length == short ]]; then
	seconds=5
	guest all 2400 "$SHORT"
else
	seconds=60
	# migration wants a CPU more than two for its threads.
	guest mm 14400 "${MM[*]/#/mm/} mm/khugepaged-shmem mm/khugepaged-file" --cpus 3
	# Some parts are about a cgroup's OOM killer, which leaves a stack trace.
	guest cgroup 3600 cgroup/test_memcontrol --mem 1536 \
		--expect 'test_memcontrol invoked oom-killer|^[0-9]+:(\[[ .0-9]*\] )?Call Trace:'
	# One part keeps half of the memory free, which has to be more than what is not reclaimable.
	guest zswap 3600 cgroup/test_zswap --mem 1536
	guest zram 600 zram/zram02
	guest stress-ng 7200 "stress-ng/vm stress-ng/mmap stress-ng/madvise stress-ng/userfaultfd stress-ng/shm stress-ng/fork stress-ng/pageswap"
	job=fio initrd+=-fio
	guest fio 7200 "fio/ext4 fio/f2fs fio/device" --mem 768
fi
((passed + failed + skipped)) || die "ONLY=$ONLY matches no test of the $length form"
echo "$passed passed, $failed failed, $skipped skipped"
((failed == 0))
