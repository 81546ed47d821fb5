"""One table and two plots of the results of the benchmarks: `make bench` ends with it.

    python tests/benchmarks/write_tables.py FOLDER [--output docs]

FOLDER holds the JSON files that the benchmarks' `--json` wrote, and bench_scale.py's figures.json
in a folder of its own where that was run. Writes benchmarks.md, benchmarks_time.svg and
benchmarks_memory.svg.
"""

import argparse
import json
import sys
from pathlib import Path

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt

# What every row has besides the figures that only its own benchmark knows.
COMMON = {"name", "size", "outcome", "cpu_seconds", "peak_mib", "version", "rounds"}
PLOTS = {
    "time": ("cpu_seconds", "CPU seconds"),
    "memory": ("peak_mib", "peak memory, MiB"),
}
SCALE = "scale"
# What the benchmarks count.
COUNTED = {SCALE: "reports", "clustering": "sentences"}
STEPS = {"build": ("build",), "enrich": ("enrich, first", "enrich, second")}


def load(folder):
    """The results of each benchmark, in the order of the files' names."""
    found = [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]
    found += [scale(path) for path in sorted(folder.glob("*/figures.json"))]
    if not found:
        sys.exit(f"no results in {folder}: expected JSON files of the benchmarks' --json")
    return found


def scale(path):
    """Figures of bench_scale.py as results: the whole of a build, both times of enrichment."""
    rows = []
    for key, stages in json.loads(path.read_text()).items():
        size, step = key.split(" ", 1)
        for stage in STEPS.get(step, ()):
            if stage in stages:
                took = stages[stage]
                row = {"name": stage, "size": int(size), "outcome": "ended"}
                peak = took["peak_gib"] * 2**10
                rows.append({**row, "cpu_seconds": took["cpu_s"], "peak_mib": peak})
    return {"bench": SCALE, "measured": "made-up corpora of bench_scale.py", "rows": rows}


def number(value):
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:,.4g}"


def line(bench, row):
    """One row of the table; what only this benchmark measures goes into the last cell."""
    name = " ".join(filter(None, (row["name"], row.get("version"))))
    told = [f"{key} {number(row[key])}" for key in row if key not in COMMON]
    if row["outcome"] != "ended":
        told.insert(0, row["outcome"])
    figures = (number(row[key]) if key in row else "" for key in ("cpu_seconds", "peak_mib"))
    cells = (bench, name, number(row["size"]), *figures, "; ".join(told).replace("_", " "))
    return "| " + " | ".join(cells) + " |"


def page(results):
    """The Markdown page."""
    machines = {json.dumps(one["machine"]): one["machine"] for one in results if "machine" in one}
    lines = [
        "# Benchmarks",
        "",
        "Written by `make bench` (`tests/benchmarks/write_tables.py`).",
        "",
    ]
    for held in machines.values():
        lines.append(
            f"Machine: {held['processor']}, {held['cores']} cores, {held['memory_gib']} GiB, "
            f"Python {held['python']}."
        )
    lines += ["", "CPU seconds are of all threads and child processes. Measured on:", ""]
    lines += [f"- {one['bench']}: {one['measured']}" for one in results]
    head = ("benchmark", "what", "size", "CPU s", "peak MiB", "besides")
    lines += ["", "| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    for one in results:
        rows = sorted(one["rows"], key=lambda row: row["size"])
        lines += [line(one["bench"], row) for row in rows]
    for name, (_, label) in PLOTS.items():
        lines += ["", f"![{label} over size](benchmarks_{name}.svg)"]
    return "\n".join(lines) + "\n"


def plot(results, key, label, target):
    """A panel per benchmark that was run at several sizes, a line per method."""
    panels = [one for one in results if one["bench"] in COUNTED]
    figure, axes = plt.subplots(1, max(1, len(panels)), figsize=(5 * len(panels) or 5, 4))
    for one, axis in zip(panels, [axes] if len(panels) < 2 else axes, strict=False):
        for name in dict.fromkeys(row["name"] for row in one["rows"]):
            rows = [row for row in one["rows"] if row["name"] == name and key in row]
            points = sorted((row["size"], row[key]) for row in rows)
            if points:
                axis.loglog(*zip(*points, strict=True), marker="o", label=name)
        axis.set(title=one["bench"], xlabel=COUNTED[one["bench"]], ylabel=label)
        axis.grid(alpha=0.3)
        if axis.lines:
            axis.legend()
    figure.tight_layout()
    # The same results give the same file.
    with matplotlib.rc_context({"svg.hashsalt": "benchmarks"}):
        figure.savefig(target, metadata={"Date": None})
    plt.close(figure)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    docs = Path(__file__).parents[2] / "docs"
    parser.add_argument("--output", type=Path, default=docs)
    options = parser.parse_args()
    results = load(options.folder)
    (options.output / "benchmarks.md").write_text(page(results))
    for name, (key, label) in PLOTS.items():
        plot(results, key, label, options.output / f"benchmarks_{name}.svg")


if __name__ == "__main__":
    main()
