#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""bench.py [--text] FOLDER: from the results of bench.sh in FOLDER makes results.csv, and from that tables, pictures
and a page; with --text, tables and a summary for a terminal.

Exit status 1: a byte was wrong, "on" queued nothing, or a result is incomplete.
"""
import csv
import html
import os
import re
import statistics
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

# Pictures: bars compare variants within each cell of a group, lines show the cells of a group, which differ in a setting.
MORE, LESS = "more is better", "less is better"
BARS = (
    ("drain", "freed_per_second", "drain: pages freed per second", MORE),
    ("burst", "seconds", "burst: time", LESS),
    ("burst", "stalls", "burst: allocation stalls, direct reclaim", LESS),
    ("burst", "latency_p99_us", "burst: p99 of a 64 KiB allocation", LESS),
    ("burst", "latency_max_us", "burst: longest 64 KiB allocation", LESS),
)
LINES = (
    ("batch", "freed_per_second", "drain: pages per batch", "pages freed per second", MORE),
    ("bound", "seconds", "burst: bound of pages in flight", "seconds", LESS),
    ("bound", "stalls", "burst: bound of pages in flight", "allocation stalls, direct reclaim", LESS),
    ("active", "seconds", "burst: max_active", "seconds", LESS),
    ("nice", "seconds", "burst: nice of the workers", "seconds", LESS),
    ("scope", "freed_per_second", "drain: affinity scope", "pages freed per second", MORE),
    ("workers", "freed_per_second", "drain with a store that sleeps 1 ms: workers", "pages freed per second", MORE),
)

# Under each table; guest/lib.sh says what a guest was booted with.
IDLE_NOTE = {
    "idle=poll": "idle CPUs poll (idle=poll): waking a halted CPU is dear under emulation, "
                 "and only the kernel without the feature does it for each folio",
    "nohlt": "idle CPUs poll (nohlt): under emulation, invalidating the TLB of a halted CPU is cheap, "
             "and the kernel without the feature does it for each folio",
}
# Percent of the host's CPUs that others may use before the figures mean little.
QUIET_ENOUGH = 15

# Of each row: the key without the phase, the title, the format
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
PER_GIB = (
    ("cpu_seconds_per_gib", "CPU seconds of kswapd and workers per GiB freed", "{:.2f}"),
    ("runs_per_gib", "times a worker was given a CPU, per GiB freed", "{:.0f}"),
)
ALL_LATENCIES = ("p50", "p99", "p999", "max")
# Only of the kernel with tracing
TIMES = tuple((f"{key}_{point}_us", f"{title} {point}, us", "{:.0f}")
              for key, title in (("wait", "from full batch to its start"), ("work", "from start to done"))
              for point in ("p50", "p99", "max"))
IDLE = (("idle_share", "CPUs idle meanwhile", "{:.0%}"),)


def latencies(of, *which):
    return tuple((f"latency_{key}_us", f"{of} {key.replace('p999', 'p99.9')}, us", "{:.0f}") for key in which)


FILLING = SECONDS + IDLE + RECLAIM + latencies("64 KiB allocation", *ALL_LATENCIES) + CPU + PER_GIB
# CONFIG_HZ_250 of configs/qemu.config: how much a tick of the kernel's profiler stands for
TICK_US = 4000
PROFILE_ROWS = 24
IDLE_FUNCTIONS = "default_idle|safe_halt|do_idle|cpuidle"
# Of each scenario: the phase of swap_load that is measured, and its rows
SCENARIOS = {
    "drain": ("drain", RECLAIM + CPU + PER_GIB),
    "burst": ("burst", FILLING),
    "busy": ("burst", FILLING + (("busy_rounds_per_second", "rounds of the other processes per second", "{:.0f}"),)),
    "light": ("light", RECLAIM + latencies("64 KiB allocation", *ALL_LATENCIES) + CPU + PER_GIB),
    "apps": ("apps", SECONDS + RECLAIM + latencies("switch", "p50", "p99") + (
        ("step_latency_p99_us", "longest 64 KiB of a switch p99, us", "{:.0f}"),) + CPU + PER_GIB),
    "pageout": ("pageout", (
        ("seconds", "seconds until all is freed", "{:.2f}"),
        ("call_seconds", "seconds until MADV_PAGEOUT returns", "{:.2f}"),
        ("stored_per_second", "pages stored per second", "{:.0f}"))),
    "shmem": ("drain", RECLAIM + CPU + PER_GIB),
    "storm": ("storm", SECONDS + latencies("fault", *ALL_LATENCIES)),
    "limit": ("limit", (
        ("pages_per_second", "pages written per second, all CPUs", "{:.0f}"),
        ("one_cpu_per_second", "pages written per second, one CPU", "{:.0f}"))),
}
DESCRIPTIONS = {
    "drain": "kswapd reclaims alone",
    "burst": "a task allocates as fast as it can",
    "busy": "a burst while other processes compute",
    "light": "a task allocates in small steps",
    "apps": "applications are switched between",
    "pageout": "a task asks for its own memory to be paged out",
    "shmem": "kswapd reclaims alone, shmem too",
    "storm": "a task uses what kswapd is just taking",
    "limit": "CPUs write to zram and do nothing else",
}
NAMES = {
    "pristine": "pristine",
    "off": "off",
    "on": "on",
    "node": "a thread per node",
    "cpu": "a thread per CPU",
    "flush": "fewer flushes, no worker",
    "workers": "workers, a flush for each page",
    "traced": "on, traced",
    "sleep-off": "off",
    "sleep-on": "on",
}


class Broken(Exception):
    """A result that must not be used."""


def read(path):
    run = {}
    with open(path, encoding="utf-8", errors="replace") as file:
        for line in file:
            key, _, value = line.strip().partition(" ")
            run[key] = value
    return run


def derive(run, phase):
    """What follows from the figures of a run."""
    if f"{phase}.freed_kswapd" not in run:
        return
    pages = int(run[f"{phase}.freed_kswapd"]) + int(run[f"{phase}.freed_direct"])
    if not pages:
        return
    for key in [key for key in run if key.startswith("profile.")]:
        run[f"{phase}.{key}"] = int(run[key]) * TICK_US / pages
    gib = pages / 2**18
    cpu = float(run[f"{phase}.kswapd_cpu_seconds"]) + float(run[f"{phase}.workers_cpu_seconds"])
    run[f"{phase}.cpu_seconds_per_gib"] = cpu / gib
    run[f"{phase}.runs_per_gib"] = int(run[f"{phase}.workers_runs"]) / gib
    if phase == "apps":
        run["apps.step_latency_p99_us"] = run["apps_step.latency_p99_us"]


def records(folder):
    """(cell, variant, round, metric, value) of every figure that a table shows."""
    for name in sorted(os.listdir(folder)):
        if not name.endswith(".txt"):
            continue
        cell, variant, number = name[:-len(".txt")].rsplit("@", 2)
        cell = cell.replace("@", "/")
        path = os.path.join(folder, name)
        run = read(path)
        phase, rows = SCENARIOS.get(run.get("scenario", ""), (None, ()))
        if not phase or "verify.wrong_pages" not in run:
            raise Broken(f"{path}: incomplete")
        if run["verify.wrong_pages"] != "0":
            raise Broken(f"{path}: {run['verify.wrong_pages']} pages came back WRONG")
        if (run["mode"] == "on" and run["cpus"] != "1" and run.get("stats.queued", "0") == "0"):
            raise Broken(f"{path}: the feature was on and nothing was queued")
        derive(run, phase)
        yield cell, variant, number, "scenario", run["scenario"]
        for key in ("kernel", "arch", "accel", "cpus", "host.cpu", "host.cpus", "host.others_percent", "guest.mem", "lru_gen", "idle",
                    "store", "zram.comp", "verify.pages"):
            yield cell, variant, number, key, run.get(key, "")
        for key, _, _ in rows + (TIMES if variant == "traced" else ()):
            if f"{phase}.{key}" not in run:
                raise Broken(f"{path}: no {phase}.{key}")
            yield cell, variant, number, key, run[f"{phase}.{key}"]
        for key in run:
            if key.startswith(f"{phase}.profile."):
                yield cell, variant, number, key.partition(".")[2], run[key]


def write_csv(folder):
    path = os.path.join(folder, "results.csv")
    with open(path + ".part", "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("cell", "variant", "round", "metric", "value"))
        writer.writerows(records(folder))
    os.replace(path + ".part", path)
    return path


class Results:
    """The figures of results.csv, and the cells they are of."""

    def __init__(self, folder):
        self.values, self.rounds = {}, {}
        with open(os.path.join(folder, "cells"), encoding="utf-8") as file:
            lines = [words for words in (line.partition("#")[0].split() for line in file) if words]
        self.cells = [(words[0], words[1].split(",")) for words in lines]
        self.parameters = {words[0]: " ".join(words[3:]) for words in lines}
        with open(write_csv(folder), encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                key = row["cell"], row["variant"], row["metric"]
                self.values.setdefault(key, []).append(row["value"])
                self.rounds.setdefault(key, []).append(row["round"])

    def texts(self, metric):
        return {text for (_, _, name), values in self.values.items() if name == metric for text in values}

    def figures(self, cell, variant, metric):
        return [float(text) for text in self.values.get((cell, variant, metric), ())]

    def median(self, cell, variant, metric):
        figures = self.figures(cell, variant, metric)
        return statistics.median(figures) if figures else None

    def ratio(self, cell, variant, first, metric):
        """Median of the ratios of the rounds: variants of a round were measured within a minute, on the same layout of
        code, so that a host that is slow for some rounds makes no difference."""
        one, other = ({number: figure for number, figure in zip(self.rounds.get(key, ()), self.figures(*key))}
                      for key in ((cell, first, metric), (cell, variant, metric)))
        ratios = [other[number] / figure for number, figure in one.items() if figure and number in other]
        return statistics.median(ratios) if ratios and self.median(cell, first, metric) else None

    def limit(self, cell, variant):
        """Pages per second that as many CPUs write to zram if they do nothing else, with the same compressor."""
        def kind(cell, variant):
            return [self.values[cell, variant, metric][0] for metric in ("cpus", "store", "zram.comp", "idle")]

        for name, other, metric in self.values:
            if metric == "pages_per_second" and kind(name, other) == kind(cell, variant):
                return self.median(name, other, metric)
        return None

    def sleeping(self, cell):
        """Pages per second that the workers and kswapds of a cell would store if they did nothing but sleep for each."""
        def number(name, default):
            found = re.search(rf"\b{name}=(\d+)", self.parameters[cell])
            return int(found[1]) if found else default

        us = number("swap_store_us", 0)
        return us and (number("max_active", 0) + number("numa=fake", 1)) * 1000000 / us

    def scenario(self, cell, variant):
        return self.values[cell, variant, "scenario"][0]


def ministat(one, other):
    """True or False: a difference is, or is not, proven at 95% confidence; None: too few values to say."""
    if min(len(one), len(other)) < 3:
        return None
    if max(one + other) == min(one + other):
        return False
    with tempfile.TemporaryDirectory() as folder:
        paths = []
        for number, figures in enumerate((one, other)):
            paths.append(os.path.join(folder, str(number)))
            with open(paths[-1], "w", encoding="ascii") as file:
                file.writelines(f"{figure:.6f}\n" for figure in figures)
        text = subprocess.run(["ministat", "-A", "-c", "95", *paths], check=True, capture_output=True, text=True).stdout
    return "No difference proven" not in text


def cell_text(results, cell, variant, first, metric, form):
    figures = results.figures(cell, variant, metric)
    if not figures:
        return "-"
    text = form.format(statistics.median(figures))
    if len(figures) > 1:
        text += f" ({form.format(min(figures))}–{form.format(max(figures))})"
    ratio = results.ratio(cell, variant, first, metric)
    # CPU time that is only background has no meaningful ratio.
    if variant == first or ratio is None or results.median(cell, first, metric) < 0.01:
        return text
    proven = ministat(results.figures(cell, first, metric), figures)
    return f"{text} **{ratio:.2f}x**" if proven else f"{text} {ratio:.2f}x"


def measured_cells(results):
    """(group, [(cell, variants that were measured)]) in the order of the benchmark's cells."""
    groups = {}
    for cell, variants in results.cells:
        variants = [name for name in variants if (cell, name, "scenario") in results.values]
        if variants:
            groups.setdefault(cell.partition("/")[0], []).append((cell, variants))
    return groups.items()


def compared_table(results, cell, variants):
    """The variants of one cell side by side."""
    rows = SCENARIOS[results.scenario(cell, variants[0])][1] + (TIMES if variants == ["traced"] else ())
    yield [cell] + [NAMES[variant] for variant in variants]
    for key, title, form in rows:
        yield [title] + [cell_text(results, cell, variant, variants[0], key, form) for variant in variants]
        limit = results.limit(cell, variants[0])
        if key == "freed_per_second" and results.scenario(cell, variants[0]) == "drain" and limit:
            yield [f"share of the {limit:.0f} that the CPUs write if they do nothing else"] + [
                f"{results.median(cell, variant, key) / limit:.0%}" for variant in variants]


def profile_table(results, cell, variants):
    """Mean over the rounds, since a function that no tick met has no figure; what most time went to first.

    A tick that came while interrupts were off counts for who let them on again.
    """
    times = {}
    for (name, variant, metric), values in results.values.items():
        if name == cell and metric.startswith("profile.") and not re.search(IDLE_FUNCTIONS, metric):
            rounds = len(results.values[cell, variant, "scenario"])
            times.setdefault(metric.partition(".")[2], {})[variant] = sum(map(float, values)) / rounds
    yield ["us in the kernel per page freed"] + [NAMES[variant] for variant in variants]
    yield ["all"] + [f"{sum(row.get(variant, 0) for row in times.values()):.2f}" for variant in variants]
    for function, row in sorted(times.items(), key=lambda item: -max(item[1].values()))[:PROFILE_ROWS]:
        yield [function] + [f"{row.get(variant, 0):.2f}" for variant in variants]


def swept_table(results, group, cells):
    """The cells of a group, which differ in a setting, side by side."""
    rows = SCENARIOS[results.scenario(cells[0][0], cells[0][1][0])][1] + (TIMES if cells[0][1] == ["traced"] else ())
    yield [group] + [cell.partition("/")[2] for cell, _ in cells]
    for key, title, form in rows:
        yield [title] + [cell_text(results, cell, variants[0], variants[0], key, form) for cell, variants in cells]
        if key == "freed_per_second" and results.sleeping(cells[0][0]):
            yield ["share of what they would store if they only slept"] + [
                f"{results.median(cell, variants[0], key) / results.sleeping(cell):.0%}" for cell, variants in cells]


def title_of(results, name, cell, variants):
    return f"{name}: {DESCRIPTIONS[results.scenario(cell, variants[0])]}"


def tables(results):
    """(title, lines of cells, what idle CPUs did)"""
    for group, cells in measured_cells(results):
        if len(cells) > 1 and all(len(variants) == 1 for _, variants in cells):
            same = len({results.scenario(cell, variants[0]) for cell, variants in cells}) == 1
            yield (title_of(results, group, *cells[0]) if same else group, list(swept_table(results, group, cells)),
                   idle_note(results, cells))
            continue
        for cell, variants in cells:
            note = idle_note(results, [(cell, variants)])
            yield title_of(results, cell, cell, variants), list(compared_table(results, cell, variants)), note
            if group == "profile":
                yield f"{cell}: where the time goes", list(profile_table(results, cell, variants)), note


def idle_note(results, cells):
    idle = {results.values[cell, variant, "idle"][0] for cell, variants in cells for variant in variants}
    return "; ".join(IDLE_NOTE.get(text, "idle CPUs halt") for text in sorted(idle))


def markdown(lines):
    for number, line in enumerate(lines):
        yield "| " + " | ".join(line) + " |"
        if number == 0:
            yield "| --- |" + " ---: |" * (len(line) - 1)


def others_percent(results):
    return max(int(text or 0) for text in results.texts("host.others_percent"))


def conditions(folder, results):
    known = read(os.path.join(folder, "conditions"))

    def texts(metric):
        return ", ".join(sorted(results.texts(metric))) or "?"

    accelerator = "KVM" if texts("accel") == "kvm" else "TCG (emulated)"
    rounds = [len(values) for (_, _, name), values in results.values.items() if name == "scenario"]
    pages = sum(int(text) for (_, _, name), values in results.values.items() if name == "verify.pages" for text in values)
    yield "commit", known["commit"]
    yield "qemu", known["qemu"]
    yield "host", f"{texts('host.cpu')}, {texts('host.cpus')} CPUs, at most {others_percent(results)}% used by others"
    yield "guest", f"Linux {texts('kernel')}, {texts('arch')}, CPUs: {texts('cpus')}, MEM={texts('guest.mem')} MiB, {accelerator}, MGLRU {texts('lru_gen')}"
    yield "rounds", (f"{' to '.join(map(str, sorted({min(rounds), max(rounds)})))}, each a fresh boot, interleaved; layouts of "
                     f"the kernel's code, in turn: {known['layouts']} (scripts/kernel.sh); median "
                     "(range), median of the rounds' ratios to the first column, bold where ministat proves a difference at 95% confidence")
    yield "verified", f"{pages * 4096} bytes, every one right"


def gnuplot(script, **variables):
    settings = "; ".join(f"{name}='{value}'" for name, value in variables.items())
    subprocess.run(["gnuplot", "-e", settings, os.path.join(ROOT, "bench", script)], check=True)


def bars(results, folder, group, cells, metric):
    """One line a cell, one column a variant: the ratio to the first one."""
    variants = max((variants for _, variants in cells), key=len)[1:]
    path = os.path.join(folder, f"{group}-{metric}.tsv")
    with open(path, "w", encoding="utf-8") as file:
        print(group, *(NAMES[variant] for variant in variants), sep="\t", file=file)
        for cell, measured in cells:
            ratios = (results.ratio(cell, variant, measured[0], metric) for variant in variants)
            print(cell.partition("/")[2], *("nan" if ratio is None else f"{ratio:.4f}" for ratio in ratios),
                  sep="\t", file=file)
    return path


def line(results, folder, group, cells, metric):
    """One line a cell: median, least, most; with one worker more, ideally as much more is done as that one did."""
    path = os.path.join(folder, f"{group}-{metric}.tsv")
    ideal = {}
    if group == "workers" and cells[0][0] == "workers/0":
        alone = results.median(cells[0][0], cells[0][1][0], metric)
        ideal = {cell: alone * (1 + int(cell.partition("/")[2])) for cell, _ in cells}
    with open(path, "w", encoding="utf-8") as file:
        for cell, variants in cells:
            figures = results.figures(cell, variants[0], metric)
            print(cell.partition("/")[2], statistics.median(figures), min(figures), max(figures), ideal.get(cell, "nan"),
                  sep="\t", file=file)
    return path


def draw(folder, results):
    """The names of the pictures that could be made of what was measured."""
    groups = dict(measured_cells(results))
    made = []
    for group, metric, title, better in BARS:
        if group in groups and max(len(variants) for _, variants in groups[group]) > 1:
            made.append(f"{group}-{metric}.svg")
            gnuplot("bars.gp", data=bars(results, folder, group, groups[group], metric),
                    out=os.path.join(folder, made[-1]), name=f"{title}, relative to {NAMES[groups[group][0][1][0]]}; {better}")
    for group, metric, title, unit, better in LINES:
        if len(groups.get(group, ())) > 1:
            made.append(f"{group}-{metric}.svg")
            gnuplot("lines.gp", data=line(results, folder, group, groups[group], metric),
                    out=os.path.join(folder, made[-1]), name=f"{title}; {better}", unit=unit)
    return made


def html_table(lines):
    for number, line in enumerate(lines):
        tag = "th" if number == 0 else "td"
        cells = (re.sub(r"\*\*(.*?)\*\*", r"<b>\1</b>", html.escape(text)) for text in line)
        yield "<tr>" + "".join(f"<{tag}>{text}</{tag}>" for text in cells) + "</tr>"


def html_list(lines):
    return "<ul>" + "".join(f"<li>{html.escape(line)}</li>" for line in lines) + "</ul>"


def write_page(folder, results, pictures):
    with open(os.path.join(folder, "index.html"), "w", encoding="utf-8") as file:
        print("""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>swap_compress: benchmark</title>
<style>body { font: 14px sans-serif; max-width: 1100px; margin: 1em auto; padding: 0 1em } table { border-collapse: collapse }
td, th { border-bottom: 1px solid #ddd; padding: 3px 8px; text-align: right } td:first-child, th:first-child { text-align: left }
svg { width: 100%; max-width: 760px; height: auto } div { overflow-x: auto }</style></head><body><h1>swap_compress: benchmark</h1>""", file=file)
        sentences = list(summary(results))
        if sentences:
            print("<p>With the feature on:</p>", html_list(sentences), sep="\n", file=file)
        for picture in pictures:
            with open(os.path.join(folder, picture), encoding="utf-8") as svg:
                print("<div><svg" + svg.read().partition("<svg")[2] + "</div>", file=file)
        for title, lines, note in tables(results):
            print(f"<h2>{html.escape(title)}</h2><div><table>", *html_table(lines), "</table></div>",
                  f"<p>{html.escape(note)}</p>", sep="\n", file=file)
        print("<h2>Conditions</h2>", html_list(f"{name}: {text}" for name, text in conditions(folder, results)),
              "</body></html>", sep="\n", file=file)


def write_markdown(folder, results):
    with open(os.path.join(folder, "results.md"), "w", encoding="utf-8") as file:
        for name, text in conditions(folder, results):
            print(f"- {name}: {text}", file=file)
        for title, lines, note in tables(results):
            print("", title, "", *markdown(lines), "", note, sep="\n", file=file)


def in_words(results, cell, base, metric, less, more):
    """How a figure of "on" differs from that of another variant; LESS and MORE hold {} for by how much."""
    ratio = results.ratio(cell, "on", base, metric)
    proven = ministat(results.figures(cell, base, metric), results.figures(cell, "on", metric))
    if proven is False or ratio == 1 or ratio is None and not results.median(cell, "on", metric):
        return "the same, as far as ministat can tell"
    if ratio is None:
        text = more.format("infinitely")
    else:
        text = (less if ratio < 1 else more).format(f"{100 * abs(ratio - 1):.0f}%")
    return text if proven else f"{text} (too few rounds to prove it)"


SUMMARY = (
    ("drain", "freed_per_second", "pages that kswapd and workers free per second", "{} FEWER", "{} more"),
    ("burst", "seconds", "time of a burst of allocations", "{} less", "{} MORE"),
    ("burst", "stalls", "how often the burst reclaims for itself", "{} less often", "{} MORE often"),
    ("burst", "latency_max_us", "longest allocation of the burst", "{} less", "{} MORE"),
    ("storm", "latency_p99_us", "99th percentile of faults on what is being reclaimed", "{} less", "{} MORE"),
)


def summary(results):
    for group, cells in measured_cells(results):
        cell, variants = cells[0]
        for scenario, metric, title, less, more in SUMMARY:
            if scenario == group and variants[0] in ("off", "pristine") and "on" in variants:
                yield f"{title} ({cell}): {in_words(results, cell, variants[0], metric, less, more)}"


def print_text(folder, results):
    for title, lines, _ in tables(results):
        # Markdown's bold
        lines = [[text.replace(" **", " *").replace("**", "") for text in line] for line in lines]
        widths = [max(map(len, column)) for column in zip(*lines)]
        print(f"\n{title}\n")
        for line in lines:
            print("  " + "  ".join([line[0].ljust(widths[0])] + [text.rjust(width) for text, width in zip(line[1:], widths[1:])]))
    print()
    for name, text in conditions(folder, results):
        print(f"{name + ':':<10}{text.replace('bold', '*')}")
    measured = [cell for _, cells in measured_cells(results) for cell in cells]
    print(f"{'idle:':<10}{idle_note(results, measured)}\n")
    print("With the feature on:")
    for text in summary(results):
        print(f"  {text}")
    if others_percent(results) > QUIET_ENOUGH:
        print(f"\nOther work used up to {others_percent(results)}% of this machine's CPUs meanwhile, which distorts all of "
              "this: measure again when it is quiet.")


def main():
    text = sys.argv[1:2] == ["--text"]
    if len(sys.argv) != 2 + text:
        sys.exit(__doc__)
    folder = sys.argv[-1]
    try:
        results = Results(folder)
    except Broken as broken:
        sys.exit(f"error: {broken}")
    except FileNotFoundError as missing:
        sys.exit(f"error: {folder} is no folder of results: {missing}")
    if not results.values:
        sys.exit(f"error: {folder} holds no result")
    if text:
        print_text(folder, results)
        return
    write_markdown(folder, results)
    write_page(folder, results, draw(folder, results))
    print(os.path.join(folder, "index.html"))


if __name__ == "__main__":
    main()
