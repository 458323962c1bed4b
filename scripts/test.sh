#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# test.sh [all]: everything a change must pass; with all, also what takes hours: every base, the long forms, SOAK seconds of
# soak. What has passed is not run again by "all", so that it can be done in parts: a stage on the same sources, a guest with
# the same kernel and initramfs (scripts/guest.sh).
# With KDIR, a kernel tree of the user: KUnit and the guest tests on that tree, with ARCH and CONFIG.
# STAGES=REGEX takes the stages whose heading matches. TIME_LIMIT=MINUTES begins none after that time: each is then a
# skip. Last line: N passed, N failed, N skipped.

. "$(dirname "$0")/common.sh"

[[ -n $KDIR || ${BASE:-6.18}-${ARCH:-x86_64} == 6.18-x86_64 ]] ||
	die "make test has stages of its own for other bases and for arm64. BASE= and ARCH= are for make kunit, suites, kmi, and with KDIR"
[[ -n $KDIR ]] || BASE=6.18
# It narrows make suites.
unset ONLY
SOAK=${SOAK:-3600} STAGES=${STAGES:-} TIME_LIMIT=${TIME_LIMIT:-}
LOGS=$CACHE/log
# Seconds; under emulation the debug kernel is some twenty times slower than the machine.
GUEST_TIMEOUT=7200

passed=0 failed=0 skipped=0
# Before the name of a guest's logs: who runs the same guest in another way.
TAG=

count() {	# PASSED FAILED SKIPPED
	passed=$((passed + $1)) failed=$((failed + $2)) skipped=$((skipped + $3))
}

# Everything but what is only read
sources_id() {
	# A file that was removed and not committed yet has no sum.
	repository_files | grep -vE '\.(md|svg)$' | sort | { cd "$ROOT"; xargs -d '\n' sha256sum 2>/dev/null || true; } |
		sha256sum | cut -c1-16
}

# What a stage counted when it passed on the same sources, if "all" is run
recall() {	# RECORD
	local counted when
	[[ $all && -e $1 ]] || return
	read -r -a counted <"$1"
	when=$(date -r "$1" '+%Y-%m-%d %H:%M')
	echo "passed on these sources on $when: ${counted[0]} passed, ${counted[1]} skipped. To run it again: rm '$1'"
	count "${counted[0]}" 0 "${counted[1]}"
}

# One stage: its heading, its output, its time. "make test" goes on after one that failed.
run() {	# TITLE NEEDED-STAGES FUNCTION [ARGUMENT...]
	local title=$1 start=$EPOCHSECONDS missing before=("$passed" "$failed" "$skipped")
	local record=$RECORDS/${1//[^A-Za-z0-9.]/-}
	local -a needed
	read -ra needed <<<"$2"
	shift 2
	[[ $title =~ $STAGES ]] || return 0
	printf '\n== %s\n' "$title"
	! recall "$record" || return 0
	if [[ -n $TIME_LIMIT ]] && ((EPOCHSECONDS - begin >= 60 * TIME_LIMIT)); then
		echo "SKIP  needs more time: none is begun after TIME_LIMIT=$TIME_LIMIT minutes. STAGES=REGEX runs some of them"
		count 0 0 1
		return
	fi
	missing=$(missing_packages "${needed[@]}" | cut -f1 | paste -sd' ')
	if [[ -n $missing ]]; then
		echo "SKIP  needs: apt-get install --no-install-recommends $missing"
		count 0 0 1
		return
	fi
	"$@"
	((failed > before[1])) || echo $((passed - before[0])) $((skipped - before[2])) >"$record"
	printf '   (%d min %d s)\n' $(((EPOCHSECONDS - start) / 60)) $(((EPOCHSECONDS - start) % 60))
}

# A script whose last line is a sum like that of this one.
summed() {	# LOG-NAME COMMAND...
	local log=$LOGS/$1.log numbers
	shift
	"$@" 2>&1 | tee "$log" || true
	numbers=$(sed -nE '$ s/^([0-9]+) passed, ([0-9]+) failed, ([0-9]+) skipped$/\1 \2 \3/p' "$log")
	# No sum: it broke off.
	# shellcheck disable=SC2086 # three words
	count ${numbers:-0 1 0}
}

check() {
	summed check "$ROOT/scripts/check.sh" --quick
}

# With what takes long on this base, too
long_check() {	# BASE
	summed "check-$1" "$ROOT/scripts/check.sh" "$1"
}

# Other people's tests
suites() {	# BASE short|long
	summed "suites-$1-$ARCH-$2" "$ROOT/scripts/suites.sh" "$1" "$2"
}

# The guests again and again
soak() {
	local log=$LOGS/soak.log tests
	RECALL='' DURATION=$SOAK "$ROOT/scripts/soak.sh" 2>&1 | tee "$log" || true
	tests=$(sed -nE '$ s/^([0-9]+) passed, 0 failed in .*/\1/p' "$log")
	if [[ -n $tests ]]; then
		count "$tests" 0 0
	else
		echo "FAIL  soak; the log: $log"
		count 0 1 0
	fi
}

# The sum of what kunit.py counted under some names.
kunit_count() {	# LOG NAMES
	grep 'Testing complete' "$1" | grep -oE "($2): [0-9]+" | awk '{ n += $2 } END { print n + 0 }' || true
}

# A vendor's swap device that has a thread for what kswapd writes, in an Android kernel
offload() {
	guest offload gki 16 --follow --mem 640 --append "panic_on_warn=1 kasan=off sc.job=offload"
}

# The kernel module interface
kmi() {
	local log=$LOGS/kmi-$BASE.log
	if "$ROOT/scripts/kmi.sh" "$BASE" 2>&1 | tee "$log"; then
		count 1 0 0
	else
		echo "FAIL  the log: $log"
		count 0 1 0
	fi
}

kunit() {	# BASE ARCH
	local log=$LOGS/kunit-$1-$2$LLVM.log status=0 bad
	"$ROOT/scripts/kunit.sh" "$1" "$2" >"$log" 2>&1 || status=$?
	grep -E 'error: |\[(FAILED|CRASHED|ERROR|TIMED OUT)\]|Testing complete' "$log" || tail -n 5 "$log"
	bad=$(kunit_count "$log" 'failed|crashed|errors')
	if ((status && bad == 0)); then
		bad=1	# not a test but the build, or the kernel, failed
	fi
	((bad == 0)) || echo "FAIL  the log: $log"
	count "$(kunit_count "$log" passed)" "$bad" "$(kunit_count "$log" skipped)"
}

# The suites in a kernel that is made for other tests, too. Version 7.1 of UML has two CPUs, but one node of memory.
kunit_guest() {	# CONFIG PARAMETERS
	guest "KUnit-$1" "$1" 2 --mem 512 --append "panic_on_warn=1 kunit.enable=1 kunit.autorun=1 sc.job=kunit $2"
}

# The same on another base, or under another name of its logs.
on_base() {	# BASE FUNCTION [ARGUMENT...]
	local BASE=$1
	shift
	"$@"
}

# A stage with Clang instead of gcc
run_clang() {	# TITLE NEEDED-STAGES FUNCTION [ARGUMENT...]
	local -x LLVM=-19
	run "$@"
}

# A stage on arm64, with Clang
run_arm64() {	# TITLE NEEDED-STAGES FUNCTION [ARGUMENT...]
	local -x ARCH=arm64
	run_clang "$@"
}

tagged() {	# TAG FUNCTION [ARGUMENT...]
	local TAG="$TAG$1 "
	shift
	"$@"
}

# The image of a guest. With "deb" it is that of the Debian package, of a kernel with the options of qemu.
image() {	# CONFIG
	local kernel out=$CACHE/build/$BASE-deb/test
	if [[ $1 != deb ]]; then
		"$ROOT/scripts/kernel.sh" "$BASE" "$ARCH" "$1"
		return
	fi
	rm -rf "$out"
	kernel=$("$ROOT/scripts/kernel.sh" "$BASE" "$ARCH" qemu) &&
		"$ROOT/scripts/deb.sh" "$BASE" "$out" "${kernel%/*}/.config" >/dev/null &&
		dpkg-deb -x "$out"/linux-image-*.deb "$out/unpacked" && echo "$out"/unpacked/boot/vmlinuz-*
}

# Counts the lines of a guest's result that begin with "ok", or the guest as one test if it has none.
guest() {	# NAME CONFIG MIX-MIB GUEST-ARGUMENT...
	local kernel initrd skips oks name=$1 config=$2 mib=$3
	local console="$LOGS/$BASE $TAG$1.console" result="$LOGS/$BASE $TAG$1.result"
	shift 3
	if kernel=$(image "$config") &&
		initrd=$(MIX_MIB=$mib "$ROOT/scripts/initramfs.sh" "$CACHE/build/initramfs-$BASE-$ARCH-$mib" "$BASE") &&
		"$ROOT/scripts/guest.sh" --kernel "$kernel" --initrd "$initrd" --result "$result" --console "$console" \
			--timeout "$GUEST_TIMEOUT" "$@"; then
		oks=$(grep -cE '^ok ' "$result" || true)
		skips=$(grep -cE '^ok .*# SKIP' "$result" || true)
		((oks)) || { oks=1; echo "ok    $name"; }
		count $((oks - skips)) 0 "$skips"
	else
		echo "FAIL  $name; console: $console, result: $result"
		count 0 1 0
	fi
}

integration() {	# CONFIG [MORE-PARAMETERS [GUEST-ARGUMENT...]]
	local config=$1 parameters=${2:-}
	local -a spare=(--spare 128)
	shift $(($# < 2 ? $# : 2))
	# QEMU's arm64 machine can plug in memory only with firmware.
	[[ $ARCH != arm64 ]] || spare=()
	# Hibernation needs half of the memory free, of which KASAN takes its share; the tests lock away what is too much.
	guest "integration-$config" "$config" 16 --follow --disk 128 --mem 640 "${spare[@]}" "$@" \
		--append "panic_on_warn=1 ramdisk_size=32768 sc.job=integration $parameters"
}

# What can be tested with the options of Android's GKI. A boot has one version of cgroups that controls memory.
phone() {	# CONFIG on|off
	local programs
	programs=$(printf '%s\n' "${GKI_PROGRAMS[@]}" | grep -v _v1_ | paste -sd,)
	# Large folios are not swapped whole.
	[[ $1 != gki-16k ]] || programs=${programs/swap_large_test,/}
	integration "$1" "kasan=$2 sc.program=$programs"
	# One of its tests has all writes fail.
	tagged "cgroup v1" integration "$1" "kasan=$2 sc.program=swap_memcg_v1_test" --expect 'Write-error on swap-device'
}

# What the kernel says when a test has it run out of memory, which is what some are about
OOM_KILL='Out of memory: Killed process|^[0-9]+:(\[[ .0-9]*\] )?Call Trace:'

# A kswapd for each node, one queue
nodes() {
	guest "two memory nodes" debug 16 --follow --mem 512 --expect "$OOM_KILL" \
		--append "panic_on_warn=1 swap_compress=on numa=fake=2 sc.job=integration sc.program=swap_node_test"
}

# Most CPUs come after the boot.
cpus() {
	guest "CPUs that come and go" debug 16 --follow --mem 640 --cpus 4 \
		--append "panic_on_warn=1 maxcpus=1 sc.job=integration sc.program=swap_cpus_test"
}

# What is waited for, with an area for contiguous allocations (in ZONE_MOVABLE, or it would be free memory that the kernel
# cannot use), and with a zone that kernel allocations cannot use.
waits() {
	guest "waits" debug 16 --follow --mem 640 --expect "$OOM_KILL" \
		--append "panic_on_warn=1 movablecore=128M cma=16M sc.job=integration sc.program=swap_wait_test"
	guest "another zone" debug 16 --follow --mem 640 --expect "$OOM_KILL" \
		--append "panic_on_warn=1 movablecore=128M sc.job=integration sc.program=swap_zone_test"
}

# The static branch is patched while the code around it runs.
patching() {	# MORE-PARAMETERS
	ACCEL=tcg-single guest "patching" jumplabel 16 --follow --disk 128 --mem 640 --spare 128 \
		--append "panic_on_warn=1 ramdisk_size=32768 sc.job=integration $1"
}

small() {	# CONFIG LITTLE-MIB MORE-MIB
	local parameters="panic_on_warn=1 kasan=off"
	# A name is part of a file's, in which QEMU takes no comma.
	guest "$2 MiB" "$1" 2 --mem "$2" --append "$parameters sc.job=small"
	guest "$3 MiB and 8 CPUs" "$1" 2 --mem "$3" --cpus 8 --append "$parameters sc.job=small"
	guest "$3 MiB and one CPU" "$1" 2 --mem "$3" --cpus 1 --append "$parameters sc.job=small"
}

limit() {
	guest "zram at its limit" qemu 2 --mem 128 --expect 'Write-error on swap-device' \
		--append "panic_on_warn=1 sc.job=limit"
}

# What a change must pass. The quick ones first.
everyday() {
	run "static checks" "source patch" check
	# 7.1 has two CPUs on UML.
	run_clang "KUnit, UML, Clang, 7.1" "source patch build kunit" kunit 7.1 um
	run "integration test in a guest, debug kernel, $BASE" "source patch build guest" integration debug "sc.without=$LONG"
	run "KUnit in a guest, debug kernel, $BASE" "source patch build guest" kunit_guest debug numa=fake=2
	run "classic LRU, debug kernel, $BASE" "source patch build guest" tagged classic integration debug \
		"sc.lru_gen=0 sc.program=swap_compress_test,swap_change_test sc.test=$CLASSIC"
	run "two memory nodes, debug kernel, $BASE" "source patch build guest" nodes
	run "CPUs that come and go, debug kernel, $BASE" "source patch build guest" cpus
	run "who waits and who need not, debug kernel, $BASE" "source patch build guest" waits
	run "debug kernel that patches its code, 6.12" "source patch build guest" on_base 6.12 patching \
		"sc.program=swap_compress_test,swap_change_test sc.test=$PATCHED"
	run "other people's tests, off and on, debug kernel, $BASE" "source patch build guest suites" suites "$BASE" short
	run_arm64 "KUnit in a guest, arm64 as in Android's GKI, $BASE" "source patch build guest" kunit_guest gki kasan=off
	run_arm64 "guests with 96 MiB, 8 CPUs, one CPU, arm64 as in Android's GKI, $BASE" "source patch build guest" \
		small gki 96 192
	run_arm64 "some of the integration test, arm64 as in Android's GKI, $BASE" "source patch build guest" \
		tagged some integration gki "kasan=off sc.program=swap_memcg_v1_test,swap_compress_test,swap_mte_test sc.test=$ON_ARM64"
}

# What everyday() leaves out: all bases, and the long forms on one of them.
long_forms() {
	local base
	for base in $(bases); do
		run "KUnit, UML, $base" "source patch build kunit" kunit "$base" um
		run "KUnit, x86_64 with two CPUs, $base" "source patch build kunit guest" kunit "$base" x86_64
		run "all static checks, $base" "source patch" long_check "$base"
		run "guests with 64 MiB, 8 CPUs, one CPU, $base" "source patch build guest" on_base "$base" small qemu 64 192
		run "zram at its limit, $base" "source patch build guest" on_base "$base" limit
		[[ $base != "$BASE" ]] || continue
		run "two memory nodes, debug kernel, $base" "source patch build guest" on_base "$base" nodes
		run "CPUs that come and go, debug kernel, $base" "source patch build guest" on_base "$base" cpus
		run "who waits and who need not, debug kernel, $base" "source patch build guest" on_base "$base" waits
		run "all of the integration test, debug kernel, $base" "source patch build guest" on_base "$base" integration debug
		run "other people's tests, off and on, short, debug kernel, $base" "source patch build guest suites" suites "$base" short
	done
	for base in $(bases); do
		run_arm64 "KUnit, arm64 with two CPUs, $base" "source patch build kunit guest" kunit "$base" arm64
		run_arm64 "integration test, arm64 as in Android's GKI, $base" "source patch build guest" \
			on_base "$base" phone gki off
		run_arm64 "checksums of exported symbols, arm64 as in Android's GKI, $base" "source patch build" \
			on_base "$base" kmi
	done
	run_arm64 "integration test, arm64 as in Android's GKI, pages of 16 KiB, $BASE" "source patch build guest" \
		phone gki-16k off
	run_arm64 "integration test, arm64 as in Android's GKI, KASAN by memory tags, $BASE" "source patch build guest" \
		tagged kasan phone gki on
	run_arm64 "other people's tests, off and on, short, arm64, debug kernel, $BASE" "source patch build guest suites" \
		suites "$BASE" short
	run_clang "two memory nodes, debug kernel, Clang, $BASE" "source patch build guest" tagged Clang nodes
	run "all of it on a debug kernel that patches its code, $BASE" "source patch build guest" \
		tagged all patching sc.program=swap_compress_test,swap_change_test,swap_move_test
	run "what the integration test of make test leaves out, debug kernel, $BASE" "source patch build guest" \
		tagged long integration debug \
		"sc.program=$(printf 'swap_%s_test,' compress change zswap large memcg report fault pm) sc.test=$LONG"
	run "all of the integration test, classic LRU, debug kernel, $BASE" "source patch build guest" \
		tagged "all classic" integration debug sc.lru_gen=0
	run "all of the integration test, KCSAN and kmemleak, $BASE" "source patch build guest" integration kcsan
	run "Debian package of the kernel, booted, $BASE" "source patch build guest deb" \
		guest "Debian package" deb 2 --mem 64 --append "panic_on_warn=1 sc.job=small"
	run "other people's tests, off and on, long, debug kernel, $BASE" "source patch build guest suites" suites "$BASE" long
	run "soak, $SOAK seconds, $BASE" "source patch build guest" soak
}

# On the tree of a user
own_tree() {
	local -a tests=(integration "$CONFIG")
	[[ $CONFIG != gki* ]] || tests=(phone "$CONFIG" off)
	run "KUnit, $ARCH with two CPUs, $KDIR" "source patch build kunit guest" kunit "$BASE" "$ARCH"
	run "integration test in a guest, $ARCH, $CONFIG, $KDIR" "source patch build guest" tagged KDIR "${tests[@]}"
	[[ $CONFIG != gki ]] || ! grep -qs android_vh_swap_writepage "$KDIR/include/trace/hooks/mm.h" ||
		run "beside a vendor's swap device with a thread of its own, $KDIR" "source patch build guest" tagged KDIR offload
	[[ $CONFIG != gki ]] || run "checksums of exported symbols, $KDIR" "source patch build" kmi
}

ON_ARM64=charges_follow_to_swap,reclaimed_memory_comes_back,refault_while_reclaimed,a_wrong_tag_is_seen,tags_come_back,tags_change_while_reclaimed,of_each_page_if_it_has_tags
# What takes minutes and is near another test
LONG=who_is_alone_does_not_wait,of_256_kib,is_not_handed_over_with_a_disk,parts_dropped_while_reclaimed
LONG+=,tight_limit_under_load,inline_device,failing_slab_sends_folios_to_the_disk,hibernation_under_load
LONG+=,stuck_store_refuses_suspend,full_pool_is_counted_once,zram_reloaded_under_load,removed_with_queued_folios
LONG+=,disk_under_load,ram_disk_comes_back
PATCHED=reclaimed_memory_comes_back,toggled_under_load
CLASSIC=reclaimed_memory_comes_back,refault_while_reclaimed,exit_with_queued_pages,toggled_under_load

all=${1:-}
[[ $# -le 1 && $all =~ ^(all)?$ ]] || die "usage: test.sh [all]"
if [[ -n $KDIR ]]; then
	[[ -z $all ]] || die "make test-all is about the pinned releases: make test takes KDIR"
	[[ -e $KDIR ]] || die "KDIR=$KDIR does not exist: give a kernel tree or tarball"
	check_base "$BASE"
	check_arch
else
	export ARCH=x86_64
fi
check_jobs
check_llvm
check_number SOAK "$SOAK" 60 864000
[[ -z $TIME_LIMIT ]] || check_number TIME_LIMIT "$TIME_LIMIT" 0 10000
begin=$EPOCHSECONDS
RECORDS=$LOGS/passed/$(sources_id)
mkdir -p "$RECORDS"
export PASSED=$LOGS/passed/guests RECALL=${all:+yes}
exec 2>&1
"$ROOT/scripts/setup.sh" source patch build guest kunit check suites ${all:+deb} || note "going on with what there is"
if [[ -n $KDIR ]]; then
	own_tree
else
	ARCH=arm64 "$ROOT/scripts/setup.sh" build guest || note "going on with what there is"
	everyday
	[[ ! $all ]] || long_forms
fi
((passed + failed + skipped)) || die "no stage has a heading that matches STAGES=$STAGES"
printf '\n%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
((failed == 0))
