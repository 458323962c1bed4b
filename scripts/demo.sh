#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# demo.sh: measures the feature: boots a guest for each of ROUNDS x {drain, burst, storm} x {off, on}, and prints one table.

. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/measure.sh"

BASE=${BASE:-6.18}
COMP=${COMP:-lz4}
STORE=${STORE:-zram}
LRU=${LRU:-mglru}
ROUNDS=${ROUNDS:-3}
export CPUS=${CPUS:-2} MEM=${MEM:-400} ACCEL=${ACCEL:-tcg}
run_guest() {	# ROUND SCENARIO MODE
	local name=$results/$2-$3-$1
	measure "$name" "$kernel" "$initrd" "sc.scenario=$2 sc.mode=$3 sc.comp=$COMP sc.store=$STORE sc.lru_gen=$lru_gen" ||
		die "round $1 of $2, $3, failed. The end of its result, $name.part:
$(tail -n 4 "$name.part")"
	files+=("$name.txt")
}

check_base "$BASE"
check_one_of COMP "$COMP" lz4 zstd lzo-rle
check_one_of STORE "$STORE" zram zswap
check_one_of LRU "$LRU" mglru classic
check_number ROUNDS "$ROUNDS" 1 100
check_number CPUS "$CPUS" 1 16
check_number MEM "$MEM" 128 65536
check_one_of ACCEL "$ACCEL" tcg kvm

lru_gen=y
[[ $LRU == mglru ]] || lru_gen=0
start=$EPOCHSECONDS
"$ROOT/scripts/setup.sh" source patch build guest
# Also keeps the builds of others off the machine while it is measured.
lock_cache
kernel=$("$ROOT/scripts/kernel.sh" "$BASE" x86_64 qemu)
initrd=$("$ROOT/scripts/initramfs.sh" "$CACHE/build/initramfs" "$BASE")
results=$CACHE/results/$(date +%Y%m%d-%H%M%S)-$BASE-$STORE-$COMP-$LRU
mkdir -p "$results" || die "cannot make the folder $results"
files=()

guests=$((ROUNDS * 6)) guest=0
note "measuring: $guests guests, each freshly booted; raw results: $results"
for ((round = 1; round <= ROUNDS; round++)); do
	# The order alternates, so that a machine that warms up favours neither.
	modes=(off on)
	((round % 2)) || modes=(on off)
	for scenario in drain burst storm; do
		for mode in "${modes[@]}"; do
			guest=$((guest + 1))
			run_guest "$round" "$scenario" "$mode"
			file=${files[-1]}
			note "$(printf '  %2d/%d  round %d  %-5s  %-3s  %6.0f pages/s, %3d s so far' "$guest" "$guests" "$round" \
				"$scenario" "$mode" "$(value "$scenario.freed_per_second" "$file")" $((EPOCHSECONDS - start)))"
		done
	done
done
echo
"$ROOT/scripts/report.py" "${files[@]}"
