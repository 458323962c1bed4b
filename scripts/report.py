#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""report.py FILE...: one table from the results of demo.sh.

Exit status 1: a byte was wrong, a result is incomplete, or "on" queued nothing.
"""
import statistics
import sys

RECLAIM = (
    ("freed_per_second", "pages freed per second, kswapd and workers", "{:.0f}"),
    ("written_per_freed", "pages written per page freed", "{:.3f}"),
    ("stalls", "allocation stalls: direct reclaim", "{:.0f}"),
    ("waits", "allocation stalls: waits for workers", "{:.0f}"),
    ("direct_share", "direct-reclaim share", "{:.0%}"),
)
CPU = (
    ("kswapd_cpu_seconds", "CPU seconds of kswapd", "{:.2f}"),
    ("workers_cpu_seconds", "CPU seconds of workers", "{:.2f}"),
)
SECONDS = (("seconds", "seconds", "{:.2f}"),)


def latencies(of, *which):
    return tuple((f"latency_{key}_us", f"{of} {key.replace('p999', 'p99.9')}, us", "{:.0f}") for key in which)


# Of each scenario: key without the phase, title, format
ROWS = {
    "drain": RECLAIM + CPU,
    "burst": SECONDS + RECLAIM + latencies("64 KiB allocation", "p50", "p99", "max") + CPU,
    "storm": SECONDS + latencies("fault", "p50", "p99", "max"),
}
# Under each table; guest/lib.sh says what a guest was booted with.
IDLE_NOTE = {
    "idle=poll": "idle CPUs poll in every guest (idle=poll): waking a halted CPU is dear under emulation, "
                 "and only the kernel without the feature does it for each folio",
}
# Percent of the host's CPUs that others may use before the figures mean little.
QUIET_ENOUGH = 15
TITLES = {
    "drain": "drain: kswapd reclaims alone, {freed} pages",
    "burst": "burst: a task allocates {mib} MiB flat out",
    "storm": "storm: a task uses what kswapd is just taking, {faults} faults",
}


def read(path):
    run = {}
    with open(path, encoding="utf-8", errors="replace") as file:
        for line in file:
            key, _, value = line.strip().partition(" ")
            run[key] = value
    return run


def problems(path, run):
    scenario = run.get("scenario", "")
    wanted = ["mode", "verify.pages", "verify.wrong_pages"]
    wanted += [f"{scenario}.{key}" for key, _, _ in ROWS.get(scenario, ())]
    missing = [key for key in wanted if key not in run]
    if scenario not in ROWS or missing:
        yield f"{path}: incomplete, no {', '.join(missing) or 'scenario'}"
    elif run["verify.wrong_pages"] != "0":
        yield f"{path}: {run['verify.wrong_pages']} pages came back WRONG"
    elif run["mode"] == "on" and run.get("stats.queued", "0") == "0":
        yield f"{path}: the feature was on and nothing was queued"


class Figures:
    """The values of one key over the rounds, off and on."""

    def __init__(self, runs, scenario, key):
        self.off, self.on = (
            [float(run[f"{scenario}.{key}"]) for run in runs
             if run["scenario"] == scenario and run["mode"] == mode]
            for mode in ("off", "on"))

    def both(self):
        return self.off and self.on

    def medians(self):
        return statistics.median(self.off), statistics.median(self.on)

    def ratio(self):
        off, on = self.medians()
        return on / off if off else None

    def overlap(self):
        return min(self.off) <= max(self.on) and min(self.on) <= max(self.off)


def cell(values, form):
    if not values:
        return "-"
    text = form.format(statistics.median(values))
    if len(values) > 1:
        text += f" ({form.format(min(values))} to {form.format(max(values))})"
    return text


def table(runs):
    """Lines of four cells; a line of one cell is a heading."""
    yield ["", "off: median (range)", "on: median (range)", "on/off"]
    for scenario, rows in ROWS.items():
        some = [run for run in runs if run["scenario"] == scenario]
        if not some:
            continue
        freed = [int(run[f"{scenario}.freed_kswapd"]) for run in some]
        faults = [int(run.get("storm.faults", 0)) for run in some]
        yield [TITLES[scenario].format(freed=f"{min(freed)} to {max(freed)}",
                                       faults=f"{min(faults)} to {max(faults)}",
                                       mib=some[0].get("burst.mib"))]
        for key, title, form in rows:
            figures = Figures(runs, scenario, key)
            ratio = figures.ratio() if figures.both() else None
            # CPU time that is only background has no meaningful ratio.
            known = ratio is not None and statistics.median(figures.off) >= 0.01
            yield [title, cell(figures.off, form), cell(figures.on, form),
                   f"{ratio:.2f}" if known else "-"]


def print_plain(lines):
    widths = [max(len(line[i]) for line in lines if len(line) > 1) for i in range(4)]
    for line in lines:
        if len(line) == 1:
            print(f"\n{line[0]}")
            continue
        cells = [line[0].ljust(widths[0])] + [
            text.rjust(width) for text, width in zip(line[1:], widths[1:])]
        print("  " + "  ".join(cells))


def others_percent(runs):
    return max(int(run.get("host.others_percent", 0)) for run in runs)


def conditions(runs):
    def all_of(key):
        return ", ".join(sorted({run[key] for run in runs if key in run})) or "?"

    def total(key):
        return sum(int(run.get(key, 0)) for run in runs)

    accelerator = "TCG (emulated)" if "TCG" in all_of("cpu") else "KVM"
    stored, compressed = total("zram.stored_bytes"), total("zram.compressed_bytes")
    rounds = max(sum(1 for run in runs if (run["scenario"], run["mode"]) == pair)
                 for pair in {(run["scenario"], run["mode"]) for run in runs})
    yield "host", f"{all_of('host.cpu')}, {all_of('host.cpus')} CPUs, at most {others_percent(runs)}% used by others"
    yield "guest", (f"Linux {all_of('kernel')}, {all_of('arch')}, {all_of('cpus')} CPUs, "
                    f"MEM={all_of('guest.mem')} MiB, {accelerator}, MGLRU {all_of('lru_gen')}")
    swap = "zswap over zram" if all_of("store") == "zswap" else "zram"
    yield "swap", (f"{swap}, {all_of('zram.comp')}, {all_of('zram.disksize_mib')} MiB"
                   + (f"; the mix of real files compresses {stored / compressed:.2f} to 1"
                      if swap == "zram" and compressed else ""))
    yield "rounds", f"{rounds}, each a fresh boot"
    yield "idle", IDLE_NOTE.get(all_of("idle"), f"idle CPUs halt in some guests: {all_of('idle')}")
    yield "verified", (f"{total('verify.pages') * 4096} bytes, of these "
                       f"{total('verify.swapped_in') * 4096} from swap; "
                       f"{total('verify.wrong_pages')} pages wrong")


def in_words(figures, less, more, same):
    """LESS and MORE hold {} for the difference; SAME: the ranges overlap."""
    off, on = figures.medians()
    if off == on or len(figures.off) > 1 and figures.overlap():
        return same
    difference = (f"{100 * abs(on / off - 1):.0f}%" if off and on < 2 * off
                  else f"{on / off - 1:.1f} times" if off else "infinitely")
    return (less if on < off else more).format(difference)


def verdict(runs):
    parts = []
    drain = Figures(runs, "drain", "freed_per_second")
    if drain.both() and drain.ratio():
        parts.append(f"With the feature on, kswapd alone reclaims {drain.ratio():.2f} times as fast"
                     + in_words(drain, " (SLOWER than without)", "", " (no clear difference)")
                     + f" and {statistics.median(Figures(runs, 'drain', 'written_per_freed').on):.2f}"
                     " pages are written for each page freed")
    if Figures(runs, "burst", "seconds").both():
        time, stalls, wait = (
            in_words(Figures(runs, "burst", key), *words) for key, *words in (
                ("seconds", "takes {} less time", "takes {} MORE time", "takes about as long"),
                ("stalls", "reclaims for itself {} less often", "reclaims for itself {} MORE often",
                 "reclaims for itself about as often"),
                ("latency_max_us", "waits {} less at worst", "waits {} MORE at worst",
                 "waits about as long at worst")))
        parts.append(f"a burst of allocations {time}, {stalls} and {wait}")
    fault = Figures(runs, "storm", "latency_p99_us")
    if fault.both():
        parts.append("of the faults on what is being reclaimed, the slowest hundredth "
                     + in_words(fault, "waits {} less", "waits {} MORE", "waits about as long"))
    parts.append("every byte came back right")
    if others_percent(runs) > QUIET_ENOUGH:
        parts.append(f"but other work used up to {others_percent(runs)}% of this machine's CPUs meanwhile, "
                     "which distorts all of this: measure again when it is quiet")
    return "; ".join(parts) + "."


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    runs = {path: read(path) for path in sys.argv[1:]}
    found = [text for path, run in runs.items() for text in problems(path, run)]
    if found:
        sys.exit("\n".join(f"error: {text}" for text in found))

    runs = list(runs.values())
    print_plain(list(table(runs)))
    print()
    for name, text in conditions(runs):
        print(f"{name + ':':<10}{text}")
    print()
    print(verdict(runs))


if __name__ == "__main__":
    main()
