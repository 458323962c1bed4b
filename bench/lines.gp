# SPDX-License-Identifier: GPL-2.0
# data: setting, median, least, most, ideal or nan; out, name, unit
set terminal svg size 640,320 font "sans,14" background "white"
set output out
set datafile separator "\t"
set title name . " (median, least and most)" noenhanced
set ylabel unit noenhanced
set yrange [0:*]
set offsets 0.3, 0.3, graph 0.1, 0
set grid ytics
set xtics noenhanced nomirror
set key top left
plot data using 0:2:3:4:xtic(1) with yerrorlines lw 2 pt 7 lc rgb "#1f77b4" title "measured", \
     data using 0:5 with lines dt 2 lw 2 lc rgb "#888888" title (system("cut -f 5 '" . data . "' | grep -cv nan") > 0 ? "ideal" : "")
