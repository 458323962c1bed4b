#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# soak.sh: the long form of the integration test: guests on the debug and the kcsan kernel in turn (arm64: debug and gki), for
# DURATION seconds. Each runs one program of the selftests, so that the time is kept on a slow machine, too.

. "$(dirname "$0")/common.sh"

BASE=${BASE:-6.18}
DURATION=${DURATION:-3600}
# Of the one test that changes everything at random; the others take some minutes.
TURMOIL_SECONDS=120
GUEST_TIMEOUT=3600

check_base "$BASE"
check_arch
check_llvm
check_number DURATION "$DURATION" 60 864000
"$ROOT/scripts/setup.sh" source patch build guest
lock_cache
logs=$CACHE/log/soak
mkdir -p "$logs" || die "cannot make the folder $logs"
initrd=$("$ROOT/scripts/initramfs.sh" "$CACHE/build/initramfs-$ARCH" "$BASE")
configs=(debug kcsan)
machine=(--disk 128 --mem 640 --spare 128)
if [[ $ARCH == arm64 ]]; then
	configs=(debug gki)
	# See integration() in scripts/test.sh.
	machine=(--disk 128 --mem 640)
fi
declare -A kernel more=([gki]=kasan=off)
for config in "${configs[@]}"; do
	kernel[$config]=$("$ROOT/scripts/kernel.sh" "$BASE" "$ARCH" "$config")
done
# Those that want no guest of another kind
programs=()
for program in "$ROOT"/tools/testing/selftests/swap_compress/swap_*_test.c; do
	[[ $program =~ _(node|wait|zone|cpus|mte|memcg_v1)_test ]] || programs+=("$(basename "$program" .c)")
done

start=$EPOCHSECONDS guests=0 tests=0
while ((EPOCHSECONDS - start < DURATION)); do
	config=${configs[guests % 2]} list=("${programs[@]}")
	[[ $config != gki ]] || list=("${GKI_PROGRAMS[@]}")
	program=${list[guests / 2 % ${#list[@]}]}
	guests=$((guests + 1))
	# One of its tests has all writes fail.
	expected=()
	[[ $program != swap_memcg_v1_test ]] || expected=(--expect 'Write-error on swap-device')
	"$ROOT/scripts/guest.sh" --kernel "${kernel[$config]}" --initrd "$initrd" --result "$logs/$guests.result" \
		--console "$logs/$guests.console" --timeout "$GUEST_TIMEOUT" "${machine[@]}" "${expected[@]}" \
		--append "panic_on_warn=1 ramdisk_size=32768 ${more[$config]:-} sc.job=integration sc.program=$program sc.seconds=$TURMOIL_SECONDS" ||
		die "guest $guests, $program on the $config kernel, failed after $(((EPOCHSECONDS - start) / 60)) minutes; result: $logs/$guests.result"
	tests=$((tests + $(grep '^ok ' "$logs/$guests.result" | grep -vc '# SKIP' || true)))
	note "$(printf '  guest %d (%s, %s): %d tests passed so far, %d of %d min' "$guests" "$program" "$config" "$tests" \
		$(((EPOCHSECONDS - start) / 60)) $((DURATION / 60)))"
done
echo "$tests passed, 0 failed in $guests guests"
