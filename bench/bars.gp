# SPDX-License-Identifier: GPL-2.0
# data: a heading, then a line per cell; out, name
set terminal svg size 640,320 font "sans,14" background "white"
set output out
set datafile separator "\t"
set title name noenhanced
set style data histogram
set style histogram clustered gap 1
set style fill solid 0.8
set yrange [0:1.1<*]
set grid ytics
set key outside bottom center horizontal noenhanced
set xtics noenhanced nomirror
set arrow from graph 0, first 1 to graph 1, first 1 nohead lw 2 lc rgb "#444444"
columns = int(system("head -n 1 '" . data . "' | awk -F'\t' '{ print NF }'"))
plot for [i = 2:columns] data using i:xtic(1) title columnheader(i)
