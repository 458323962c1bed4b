#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# test.sh: everything a change must pass. Last line: N passed, N failed, N skipped.

. "$(dirname "$0")/common.sh"

BASE=6.18
LOGS=$CACHE/log
# Seconds; under emulation the debug kernel is some twenty times slower than the machine.
GUEST_TIMEOUT=2400

passed=0 failed=0 skipped=0

count() {	# PASSED FAILED SKIPPED
	passed=$((passed + $1)) failed=$((failed + $2)) skipped=$((skipped + $3))
}

# One stage: its heading, its output, its time. "make test" goes on after one that failed.
run() {	# TITLE NEEDED-STAGES FUNCTION [ARGUMENT...]
	local title=$1 start=$EPOCHSECONDS missing
	local -a needed
	read -ra needed <<<"$2"
	shift 2
	printf '\n== %s\n' "$title"
	missing=$(missing_packages "${needed[@]}" | cut -f1 | paste -sd' ')
	if [[ -n $missing ]]; then
		echo "SKIP  needs: apt-get install --no-install-recommends $missing"
		count 0 0 1
		return
	fi
	"$@"
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
	summed check "$ROOT/scripts/check.sh"
}

# Other people's tests
suites() {	# BASE short|long
	summed "suites-$1-$2" "$ROOT/scripts/suites.sh" "$1" "$2"
}

# The sum of what kunit.py counted under some names.
kunit_count() {	# LOG NAMES
	grep 'Testing complete' "$1" | grep -oE "($2): [0-9]+" | awk '{ n += $2 } END { print n + 0 }' || true
}

kunit() {	# BASE ARCH
	local log=$LOGS/kunit-$1-$2.log status=0 bad
	"$ROOT/scripts/kunit.sh" "$1" "$2" >"$log" 2>&1 || status=$?
	grep -E 'error: |\[(FAILED|CRASHED|ERROR|TIMED OUT)\]|Testing complete' "$log" || tail -n 5 "$log"
	bad=$(kunit_count "$log" 'failed|crashed|errors')
	if ((status && bad == 0)); then
		bad=1	# not a test but the build, or the kernel, failed
	fi
	((bad == 0)) || echo "FAIL  the log: $log"
	count "$(kunit_count "$log" passed)" "$bad" "$(kunit_count "$log" skipped)"
}

# Counts the lines of a guest's result that begin with "ok", or the guest as one test if it has none.
guest() {	# NAME CONFIG MIX-MIB GUEST-ARGUMENT...
	local kernel initrd skips oks name=$1 config=$2 mib=$3
	local console=$LOGS/$1.console result=$LOGS/$1.result
	shift 3
	if kernel=$("$ROOT/scripts/kernel.sh" "$BASE" x86_64 "$config") &&
		initrd=$(MIX_MIB=$mib "$ROOT/scripts/initramfs.sh" "$CACHE/build/initramfs-$mib" "$BASE") &&
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

integration() {	# CONFIG [MORE-PARAMETERS]
	# Hibernation needs half of the memory free, of which KASAN takes its share; the tests lock away what is too much.
	guest "integration-$1" "$1" 16 --follow --disk 128 --mem 640 --spare 128 \
		--append "panic_on_warn=1 ramdisk_size=16384 sc.job=integration ${2:-}"
}

# A kswapd for each node, one queue
nodes() {
	guest "two memory nodes" debug 16 --follow --mem 512 \
		--append "panic_on_warn=1 numa=fake=2 sc.job=integration sc.program=swap_node_test"
}

small() {
	guest "64 MiB" qemu 2 --mem 64 --append "panic_on_warn=1 sc.job=small"
	guest "128 MiB, 8 CPUs" qemu 2 --mem 128 --cpus 8 --append "panic_on_warn=1 sc.job=small"
	guest "one CPU" qemu 2 --mem 128 --cpus 1 --append "panic_on_warn=1 sc.job=small"
	guest "zram at its limit" qemu 2 --mem 128 --expect 'Write-error on swap-device' \
		--append "panic_on_warn=1 sc.job=limit"
}

# What is tested is the repository on its pinned releases.
export KDIR=
check_jobs
check_llvm
mkdir -p "$LOGS"
exec 2>&1
"$ROOT/scripts/setup.sh" source patch build guest kunit check suites || note "going on with what there is"
# The quick ones first.
run "static checks" "source patch" check
run "KUnit, UML, 6.18" "source patch build kunit" kunit 6.18 um
run "KUnit, UML, 6.12" "source patch build kunit" kunit 6.12 um
run "KUnit, x86_64 with two CPUs, 6.18" "source patch build kunit guest" kunit 6.18 x86_64
run "guests with 64 MiB, with 8 CPUs, with one CPU, with zram at its limit, $BASE" "source patch build guest" small
run "other people's tests, off and on, debug kernel, $BASE" "source patch build guest suites" suites "$BASE" short
run "integration test in a guest, debug kernel, $BASE" "source patch build guest" integration debug
run "two memory nodes, debug kernel, $BASE" "source patch build guest" nodes
# All of it takes KCSAN a quarter of an hour: see make soak.
races=reclaimed_memory_comes_back,refault_while_reclaimed,exit_with_queued_pages,toggled_under_load,everything_at_once
run "integration test in a guest, KCSAN and kmemleak, $BASE" "source patch build guest" integration kcsan \
	"sc.program=swap_compress_test,swap_change_test,swap_zswap_test sc.test=$races"
printf '\n%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
((failed == 0))
