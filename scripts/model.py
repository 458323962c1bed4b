#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""model.py FOLDER [PICTURE.svg]: what more workers would give, by a model.

FOLDER holds results of bench.sh with the cells drain/lz4 and drain/zstd (variants pristine and on, two CPUs). What a page
costs kswapd and a worker is taken from them. The model hands pages over in batches to workers that each have a CPU for
themselves, as the kernel does: kswapd stores a page itself if the bound is reached. With one worker it must say what was
measured; the difference is printed. PICTURE shows pages per second for 1 to 16 workers.

Not in the model: CPUs that others use, memory and caches that CPUs share, locks. Where kswapd is the limit, more workers
change nothing; a machine with more nodes has a kswapd, and workers, for each.
"""
import heapq
import os
import statistics
import subprocess
import sys

import bench

COMPRESSORS = ("lz4", "zstd")
WORKERS = range(1, 17)
BATCH = 32
# Bound of pages in flight: SWAP_COMPRESS_WORKER_PAGES and SWAP_COMPRESS_MAX_PAGES of mm/swap_compress.c
WORKER_PAGES, MAX_PAGES = 512, 1024
PAGES = 50000
# How fast a little core is, compared with the core of kswapd: an assumption
LITTLE = 0.5


def runs(folder, compressor, variant):
    prefix = f"drain@{compressor}@{variant}@"
    found = [bench.read(os.path.join(folder, name)) for name in os.listdir(folder)
             if name.startswith(prefix) and name.endswith(".txt")]
    if not found:
        sys.exit(f"error: {folder} has no result of drain/{compressor}, {variant}: make bench ONLY='^drain/(lz4|zstd)'")
    return found


def median(found, figure):
    return statistics.median(figure(run) for run in found)


def costs(folder, compressor):
    """Seconds a page: kswapd up to the store; kswapd's own store; a worker. And what was measured with one worker."""
    pristine, on = runs(folder, compressor, "pristine"), runs(folder, compressor, "on")
    alone = median(pristine, lambda run: float(run["drain.kswapd_cpu_seconds"]) / int(run["drain.freed_kswapd"]))

    # kswapd handed over some pages, for which it did all but the store, and did all for the others.
    def scan(run):
        pages, queued = int(run["drain.freed_kswapd"]), int(run["stats.queued"])
        return (float(run["drain.kswapd_cpu_seconds"]) - max(pages - queued, 0) * alone) / queued

    scanned = median(on, scan)
    stored = median(on, lambda run: float(run["drain.workers_cpu_seconds"]) / int(run["stats.queued"]))
    return scanned, alone - scanned, stored, median(on, lambda run: float(run["drain.freed_per_second"]))


def pages_per_second(scan, own_store, store, workers):
    bound = min(workers * WORKER_PAGES, MAX_PAGES)
    free_at = [0.0] * workers       # when each worker has nothing to do
    ends = []                       # of batches
    now, in_flight, plug = 0.0, 0, 0
    for _ in range(PAGES):
        now += scan
        while ends and ends[0] <= now:
            heapq.heappop(ends)
            in_flight -= BATCH
        if in_flight == bound:
            now += own_store
            continue
        in_flight += 1
        plug += 1
        if plug == BATCH:
            end = max(now, heapq.heappop(free_at)) + BATCH * store
            heapq.heappush(free_at, end)
            heapq.heappush(ends, end)
            plug = 0
    return PAGES / max([now] + ends)


def draw(curves, path):
    script = [
        "set terminal svg size 960,400 font 'sans,13' background 'white'", f"set output '{path}'",
        "set title 'a model: pages that one kswapd and its workers free per second'",
        "set xlabel 'workers'", "set ylabel 'pages per second'", "set yrange [0:*]", "set key outside right", "set grid",
    ]
    plots, data = [], []
    for title, curve in curves.items():
        plots.append(f"'-' using 1:2 with linespoints pointtype 7 pointsize 0.5 title '{title}'")
        data += [f"{workers} {value:.0f}" for workers, value in zip(WORKERS, curve)] + ["e"]
    subprocess.run(["gnuplot"], input="\n".join(script + ["plot " + ", ".join(plots)] + data) + "\n", text=True, check=True)


def main():
    if len(sys.argv) not in (2, 3) or not os.path.isdir(sys.argv[1]):
        sys.exit(__doc__)
    curves = {}
    for compressor in COMPRESSORS:
        scan, own_store, store, measured = costs(sys.argv[1], compressor)
        one = pages_per_second(scan, own_store, store, 1)
        print(f"{compressor}: kswapd {scan * 1e6:.1f} us a page, its own store {own_store * 1e6:.1f} us, a worker "
              f"{store * 1e6:.1f} us; one worker: measured {measured:.0f} pages/s, model {one:.0f} ({one / measured - 1:+.0%})")
        for title, speed in ((compressor, 1), (f"{compressor}, workers half as fast", LITTLE)):
            curves[title] = [pages_per_second(scan, own_store, store / speed, workers) for workers in WORKERS]
            print(f"{title}: " + " ".join(f"{workers}:{value:.0f}" for workers, value in zip(WORKERS, curves[title])))
    if len(sys.argv) == 3:
        draw(curves, sys.argv[2])


if __name__ == "__main__":
    main()
