#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# soak.sh: the long form of the integration test: guests on the debug and the kcsan kernel in turn, for DURATION seconds.

. "$(dirname "$0")/common.sh"

BASE=${BASE:-6.18}
DURATION=${DURATION:-3600}
# Of the one test that changes everything at random; the others take some minutes.
TURMOIL_SECONDS=120
GUEST_TIMEOUT=3600

check_base "$BASE"
check_one_of ARCH "$ARCH" x86_64
check_number DURATION "$DURATION" 60 864000
"$ROOT/scripts/setup.sh" source patch build guest
lock_cache
logs=$CACHE/log/soak
mkdir -p "$logs" || die "cannot make the folder $logs"
initrd=$("$ROOT/scripts/initramfs.sh" "$CACHE/build/initramfs" "$BASE")
declare -A kernel
for config in debug kcsan; do
	kernel[$config]=$("$ROOT/scripts/kernel.sh" "$BASE" x86_64 "$config")
done

start=$EPOCHSECONDS passes=0 tests=0
while ((EPOCHSECONDS - start < DURATION)); do
	for config in debug kcsan; do
		passes=$((passes + 1))
		"$ROOT/scripts/guest.sh" --kernel "${kernel[$config]}" --initrd "$initrd" --result "$logs/$passes.result" \
			--console "$logs/$passes.console" --timeout "$GUEST_TIMEOUT" --disk 128 --mem 640 --spare 128 \
			--append "panic_on_warn=1 ramdisk_size=32768 sc.job=integration sc.seconds=$TURMOIL_SECONDS" ||
			die "pass $passes on the $config kernel failed after $(((EPOCHSECONDS - start) / 60)) minutes; result: $logs/$passes.result"
		tests=$((tests + $(grep -c '^ok ' "$logs/$passes.result")))
		note "$(printf '  pass %d (%s): %d tests passed so far, %d of %d min' "$passes" "$config" "$tests" \
			$(((EPOCHSECONDS - start) / 60)) $((DURATION / 60)))"
	done
done
echo "$tests passed, 0 failed in $passes guests"
