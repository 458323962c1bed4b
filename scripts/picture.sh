#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# picture.sh OUT.svg FILE...: the ratios on/off of the demo's results as a picture.

. "$(dirname "$0")/common.sh"

(($# >= 2)) || die "usage: picture.sh OUT.svg FILE..., the files being results of make demo"
need picture
out=$1
shift
make_tmp ""
"$ROOT/scripts/report.py" --ratios "$@" >"$TMP/ratios"
gnuplot <<PLOT
set terminal svg size 960,480 font "sans,13" background "white"
set output "$TMP/out.svg"
set datafile separator "\t"
set title "swap_compress on, relative to off (medians; 1 is no difference)" noenhanced
set style fill solid 0.8
set boxwidth 0.7
set rmargin 14
set yrange [0:*]
set offsets graph 0.02, graph 0.06, graph 0.08, 0
set ytics nomirror
set grid ytics
set xtics rotate by -25 noenhanced nomirror
set arrow from graph 0, first 1 to graph 1, first 1 nohead lw 2 lc rgb "#444444"
set key top right
plot "$TMP/ratios" using 0:(strcol(1) eq "drain" ? \$3 : NaN):xtic(strcol(2)) with boxes lc rgb "#1f77b4" title "drain", \
     "" using 0:(strcol(1) eq "burst" ? \$3 : NaN) with boxes lc rgb "#ff7f0e" title "burst", \
     "" using 0:(strcol(1) eq "storm" ? \$3 : NaN) with boxes lc rgb "#2ca02c" title "storm", \
     "" using 0:(\$3 + 0.05):(sprintf("%.2f", \$3)) with labels notitle
PLOT
mv "$TMP/out.svg" "$out"
echo "$out"
