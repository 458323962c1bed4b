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
((CPUS <= $(nproc))) || die "a guest with $CPUS CPUs cannot be measured on a machine with $(nproc): give CPUS=$(nproc) or less"
((CPUS > 1)) || note "with one CPU nothing is handed over: on is as off"

lru_gen=y
[[ $LRU == mglru ]] || lru_gen=0
make_tmp ""
for scenario in drain burst storm; do
	echo "$scenario/$STORE-$COMP-$LRU off,on $CPUS sc.scenario=$scenario sc.comp=$COMP sc.store=$STORE sc.lru_gen=$lru_gen"
done >"$TMP/cells"
results=$CACHE/results/$(date +%Y%m%d-%H%M%S)-$BASE-$ARCH
export BASE SC_RESULTS=$results SC_CELLS=$TMP/cells ROUNDS=${ROUNDS:-3} ONLY='' VARIANTS=''
"$ROOT/scripts/bench.sh"
