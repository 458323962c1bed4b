#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# demo.sh: a small benchmark: drain, burst and storm, ROUNDS times off and on, with the tables on the terminal.

. "$(dirname "$0")/common.sh"

COMP=${COMP:-lz4}
STORE=${STORE:-zram}
LRU=${LRU:-mglru}
CPUS=${CPUS:-2}
check_base "${BASE:=6.18}"
check_one_of COMP "$COMP" lz4 zstd lzo-rle
check_one_of STORE "$STORE" zram zswap
check_one_of LRU "$LRU" mglru classic
check_number CPUS "$CPUS" 1 16
((CPUS <= $(nproc))) || die "CPUS=$CPUS is not valid: this machine has $(nproc) CPUs, and a guest with more measures nothing"

lru_gen=y
[[ $LRU == mglru ]] || lru_gen=0
make_tmp ""
for scenario in drain burst storm; do
	echo "$scenario/$STORE-$COMP-$LRU off,on $CPUS sc.scenario=$scenario sc.comp=$COMP sc.store=$STORE sc.lru_gen=$lru_gen"
done >"$TMP/cells"
RESULTS=$CACHE/results/$(date +%Y%m%d-%H%M%S)-$BASE
export BASE RESULTS ROUNDS=${ROUNDS:-3} ONLY='' CELLS=$TMP/cells
"$ROOT/scripts/bench.sh"
