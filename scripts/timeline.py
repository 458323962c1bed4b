#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""timeline.py OFF ON PICTURE.svg TRACE.json: who ran when in a burst, without swap_compress and with it.

OFF and ON are results of guest/jobs/measure with sc.trace=all. PICTURE shows a second in the middle of each. TRACE holds all
of both, for the viewers that read Chrome's trace format: ui.perfetto.dev, chrome://tracing.
"""
import base64
import gzip
import html
import json
import re
import sys
from collections import namedtuple

TASK = "swap_load"
SECONDS = 1.0           # of the picture

# Something that lasted: a lane is a CPU ("CPU 0") or a thread ("kswapd0-45"); times in seconds.
Span = namedtuple("Span", "lane what start end")

# What a span may be, its colour and its words in the legend
WHO = {
    "kswapd": ("#6baed6", "kswapd"),
    "worker": ("#fd8d3c", "workers of swap_compress"),
    "task": ("#74c476", "the task that allocates"),
    "other": ("#bdbdbd", "others"),
    "reclaims": ("#de2d26", "the task reclaims for itself"),
    "sleeps": ("#67000d", "it waits, for workers or others"),
    "preempted": ("#e5c8e0", "waits for a CPU"),
}
LANES = ("CPU 0", "CPU 1", "kswapd", "worker", "task")

LINE = re.compile(r"^\s*(?P<comm>.+)-(?P<pid>\d+)\s+\[(?P<cpu>\d+)\]\s+\S+\s+(?P<time>[\d.]+): (?P<event>\w+): ?(?P<text>.*)$")
SWITCH = re.compile(r"prev_comm=(?P<prev_comm>.*) prev_pid=(?P<prev>\d+) prev_prio=\d+ prev_state=(?P<state>\S+) ==> "
                    r"next_comm=(?P<next_comm>.*) next_pid=(?P<next>\d+) next_prio=\d+")


class Broken(Exception):
    """A result that no timeline can be made of"""


def read(path):
    """The figures of a result, and the lines of its trace."""
    figures, packed = {}, []
    with open(path, encoding="utf-8", errors="replace") as file:
        for line in file:
            key, _, value = line.strip().partition(" ")
            if key == "trace":
                packed.append(value)
            else:
                figures[key] = value
    if not packed:
        raise Broken(f"{path} holds no trace: the guest's job needs sc.trace=all")
    return figures, gzip.decompress(base64.b64decode("".join(packed))).decode(errors="replace").splitlines()


def events(lines):
    for line in lines:
        if "LOST" in line and "EVENTS" in line:
            raise Broken(f"the kernel's trace buffer was too small: {line.strip()}")
        found = LINE.match(line)
        if found:
            yield int(found["cpu"]), found["comm"], int(found["pid"]), float(found["time"]), found["event"], found["text"]


def who_is(comm, pid, workers):
    if comm.startswith("kswapd"):
        return "kswapd"
    if comm == TASK:
        return "task"
    return "worker" if pid in workers else "other"


def spans(lines):
    """What each CPU and each thread of interest did, one after the other."""
    trace = list(events(lines))
    workers = {pid for _, _, pid, _, event, _ in trace if event == "swap_compress_batch_start"}
    reclaiming = set()  # threads that reclaim for themselves
    doing = {}          # lane: what, since when
    found = []

    def now_does(lane, what, now):
        was, since = doing.get(lane, (None, now))
        if was and now > since:
            found.append(Span(lane, was, since, now))
        doing[lane] = what, now

    for cpu, comm, pid, now, event, text in trace:
        if event == "sched_switch":
            switch = SWITCH.match(text)
            if not switch:
                raise Broken(f"this sched_switch is not understood: {text}")
            old, new = int(switch["prev"]), int(switch["next"])
            who = who_is(switch["prev_comm"], old, workers)
            if who != "other":
                waits = "preempted" if switch["state"].startswith("R") else "sleeps"
                # That kswapd or a worker has nothing to do is no news.
                now_does(f"{who} {old}", waits if who == "task" or waits == "preempted" else None, now)
            who = who_is(switch["next_comm"], new, workers)
            now_does(f"CPU {cpu}", who if new else None, now)
            if who != "other":
                now_does(f"{who} {new}", "reclaims" if new in reclaiming else who, now)
        elif comm == TASK and event == "mm_vmscan_direct_reclaim_begin":
            reclaiming.add(pid)
            now_does(f"task {pid}", "reclaims", now)
        elif comm == TASK and event == "mm_vmscan_direct_reclaim_end":
            reclaiming.discard(pid)
            now_does(f"task {pid}", "task", now)
    if not found:
        raise Broken("the trace holds nothing that is understood")
    return found


def merged(intervals, gap):
    """Intervals, with those put together that are no further apart than gap."""
    result = []
    for start, end in sorted(intervals):
        if result and start - result[-1][1] <= gap:
            result[-1][1] = max(result[-1][1], end)
        else:
            result.append([start, end])
    return result


WIDTH, LEFT, ROW, BAR = 960, 90, 30, 24
PER_SECOND = (WIDTH - LEFT - 30) / SECONDS


def panel(found, title, length, top):
    """The lanes of a second in the middle of a burst, as lines of SVG. The trace begins with the burst, and ends later."""
    begin = min(span.start for span in found) + max(0, (length - SECONDS) / 2)
    end = begin + SECONDS
    yield f'<text x="20" y="{top}" font-weight="bold">{html.escape(title)}</text>'
    for number in range(11):
        x = LEFT + number * PER_SECOND * SECONDS / 10
        yield f'<path d="M{x:.1f} {top + 12}v{len(LANES) * ROW}" stroke="#e0e0e0"/>'
        yield (f'<text x="{x:.1f}" y="{top + 26 + len(LANES) * ROW}" font-size="11" text-anchor="middle" '
               f'fill="#555555">{number * SECONDS * 100:.0f} ms</text>')
    for row, lane in enumerate(LANES):
        y = top + 12 + row * ROW
        yield f'<text x="20" y="{y + 18}">{lane if lane != "worker" else "workers"}</text>'
        of_lane = [span for span in found if span.lane.split()[0] == lane or span.lane == lane]
        for what, (colour, _) in WHO.items():
            intervals = merged(((max(span.start, begin), min(span.end, end)) for span in of_lane
                                if span.what == what and span.end > begin and span.start < end), 0.1 / PER_SECOND)
            if not intervals:
                continue
            path = "".join(f"M{LEFT + (start - begin) * PER_SECOND:.2f} {y}h{(stop - start) * PER_SECOND:.2f}v{BAR}"
                           f"h{-(stop - start) * PER_SECOND:.2f}z" for start, stop in intervals)
            yield f'<path d="{path}" fill="{colour}"/>'


def title(mode, figures):
    return (f"{mode}: a second of {float(figures['burst.seconds']):.1f}. The task reclaims {figures['burst.stalls']} times for "
            f"itself; to get 64 KiB takes it {float(figures['burst.latency_max_us']) / 1000:.0f} ms at most")


def picture(runs, conditions, path):
    height = 34 + len(LANES) * ROW + 40
    lines = []
    for number, (mode, figures, found) in enumerate(runs):
        lines += panel(found, title(mode, figures), float(figures["burst.seconds"]), 30 + number * height)
    top = 30 + len(runs) * height
    for number, (colour, words) in enumerate(WHO.values()):
        x, y = 20 + number % 4 * 230, top + number // 4 * 24
        lines.append(f'<rect x="{x}" y="{y - 12}" width="16" height="14" fill="{colour}"/>'
                     f'<text x="{x + 22}" y="{y}" font-size="13">{words}</text>')
    lines.append(f'<text x="20" y="{top + 50}" font-size="12" fill="#555555">{html.escape(conditions)}</text>')
    with open(path, "w", encoding="utf-8") as file:
        print('<?xml version="1.0" encoding="utf-8"?>\n<!-- SPDX-License-Identifier: GPL-2.0 -->\n'
              f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{top + 64}" '
              f'viewBox="0 0 {WIDTH} {top + 64}" font-family="sans-serif" font-size="15">\n'
              "<title>who runs when in a burst of allocations, without and with swap_compress</title>\n"
              f'<rect width="{WIDTH}" height="{top + 64}" fill="#ffffff"/>', *lines, "</svg>", sep="\n", file=file)


def chrome(runs, path):
    """A process for each run, a thread for each lane; times in microseconds since the run began."""
    out = []
    for number, (mode, _, found) in enumerate(runs, start=1):
        first = min(span.start for span in found)
        lanes = sorted({span.lane for span in found})
        out.append({"ph": "M", "name": "process_name", "pid": number, "tid": 0, "args": {"name": mode}})
        out += [{"ph": "M", "name": "thread_name", "pid": number, "tid": tid, "args": {"name": lane}}
                for tid, lane in enumerate(lanes, start=1)]
        out += [{"ph": "X", "name": WHO[span.what][1], "cat": span.what, "pid": number, "tid": lanes.index(span.lane) + 1,
                 "ts": round((span.start - first) * 1e6, 3), "dur": round((span.end - span.start) * 1e6, 3)} for span in found]
    with open(path, "w", encoding="utf-8") as file:
        json.dump({"displayTimeUnit": "ms", "traceEvents": out}, file)


def main():
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    runs = []
    try:
        for mode, result in (("off", sys.argv[1]), ("on", sys.argv[2])):
            figures, lines = read(result)
            runs.append((mode, figures, spans(lines)))
    except (Broken, OSError) as broken:
        sys.exit(f"error: {broken}")
    figures = runs[1][1]
    picture(runs, f"Linux {figures['kernel']}, {figures['arch']}, {figures['zram.comp']}, {figures['cpus']} CPUs "
            f"({figures['accel']}, {figures.get('idle') or 'idle CPUs halt'}), {figures['guest.mem']} MiB", sys.argv[3])
    chrome(runs, sys.argv[4])


if __name__ == "__main__":
    main()
