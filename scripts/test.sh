#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# test.sh: everything a change must pass. Last line: N passed, N failed, N skipped.

. "$(dirname "$0")/common.sh"

BASE=6.18
LOGS=$CACHE/log
# Seconds; under emulation the debug kernel is some twenty times slower than the machine.
INTEGRATION_TIMEOUT=900
# KASAN takes an eighth of the guest's memory for itself, lockdep and the rest some more.
INTEGRATION_MEM=${MEM:-400}

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

check() {
	local log=$LOGS/check.log numbers
	"$ROOT/scripts/check.sh" 2>&1 | tee "$log" || true
	read -ra numbers < <(sed -nE '$ s/^([0-9]+) passed, ([0-9]+) failed, ([0-9]+) skipped$/\1 \2 \3/p' "$log")
	# No sum: it broke off.
	count "${numbers[@]:-0 1 0}"
}

kunit() {	# BASE ARCH
	local log=$LOGS/kunit-$1-$2.log status=0 tests=0
	"$ROOT/scripts/kunit.sh" "$1" "$2" >"$log" 2>&1 || status=$?
	grep -E 'error: |\[(FAILED|CRASHED|ERROR|TIMED OUT)\]|Testing complete' "$log" || tail -n 5 "$log"
	tests=$(sed -nE 's/.*Testing complete\. .*passed: ([0-9]+).*/\1/p' "$log")
	if ((status == 0)); then
		count "${tests:-0}" 0 0
	else
		echo "FAIL  the log: $log"
		count "${tests:-0}" 1 0
	fi
}

integration() {
	local kernel initrd
	local console=$LOGS/integration.console result=$LOGS/integration.result
	if kernel=$("$ROOT/scripts/kernel.sh" "$BASE" x86_64 debug) &&
		initrd=$("$ROOT/scripts/initramfs.sh" "$CACHE/build/initramfs" "$BASE") &&
		"$ROOT/scripts/guest.sh" --kernel "$kernel" --initrd "$initrd" --result "$result" --console "$console" \
			--timeout "$INTEGRATION_TIMEOUT" --mem "$INTEGRATION_MEM" --follow \
			--append "panic_on_warn=1 sc.job=integration"; then
		count "$(grep -cE '^ok ' "$result" || true)" 0 0
	else
		echo "FAIL  integration test; console: $console, result: $result"
		count 0 1 0
	fi
}

for variable in JOBS LLVM; do
	"check_${variable,,}"
done
mkdir -p "$LOGS"
exec 2>&1
"$ROOT/scripts/setup.sh" source patch build guest kunit check || note "going on with what there is"
# The quick ones first.
run "static checks" "source patch" check
run "KUnit, UML, 6.18" "source patch build kunit" kunit 6.18 um
run "KUnit, UML, 6.12" "source patch build kunit" kunit 6.12 um
run "KUnit, x86_64 with two CPUs, 6.18" "source patch build kunit guest" kunit 6.18 x86_64
run "integration test in a guest, debug kernel, $BASE" "source patch build guest" integration
printf '\n%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
((failed == 0))
