#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeline.sh: records a burst off and on, and draws who ran when: a picture, and a trace for ui.perfetto.dev.

. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/measure.sh"

COMP=${COMP:-lz4}
STORE=${STORE:-zram}
CPUS=${CPUS:-2}
export BASE=${BASE:-6.18} MEM=${MEM:-400} ACCEL=${ACCEL:-tcg}
check_base "$BASE"
check_arch
check_llvm
check_one_of COMP "$COMP" lz4 zstd lzo-rle
check_one_of STORE "$STORE" zram zswap
check_number CPUS "$CPUS" 2 16
((CPUS <= $(nproc))) || die "a guest with $CPUS CPUs on a machine with $(nproc) shows how they share: give CPUS=$(nproc) or less"
check_number MEM "$MEM" 128 65536
check_one_of ACCEL "$ACCEL" tcg kvm

"$ROOT/scripts/setup.sh" source patch build guest
lock_cache
kernel=$("$ROOT/scripts/kernel.sh" "$BASE" "$ARCH" qemu)
initrd=$("$ROOT/scripts/initramfs.sh" "$CACHE/build/initramfs-$ARCH" "$BASE")
results=$CACHE/results/timeline-$BASE-$ARCH-$STORE-$COMP
mkdir -p "$results" || die "cannot make the folder $results"
for mode in off on; do
	note "recording a burst, $mode"
	measure "$results/$mode" "$kernel" "$initrd" "sc.mode=$mode sc.scenario=burst sc.comp=$COMP sc.store=$STORE sc.trace=all" \
		--cpus "$CPUS" || die "this guest broke. The end of its result, $results/$mode.part:
$(grep -v '^trace ' "$results/$mode.part" | tail -n 4)"
done
"$ROOT/scripts/timeline.py" "$results"/{off,on}.txt "$results/timeline.svg" "$results/timeline.json"
note "a second of each, a picture; all of it, for ui.perfetto.dev or chrome://tracing:"
printf '%s\n' "$results/timeline.svg" "$results/timeline.json"
