"""Results of benchmarks as JSON, written after each piece so that a killed run resumes."""

import json
import os
import platform
import sys
from dataclasses import dataclass, field
from pathlib import Path

import psutil


def json_argument(parser):
    """Adds `--json`."""
    text = "write the results here; pieces that the file holds already are not measured again"
    parser.add_argument("--json", type=Path, metavar="FILE", help=text)


def machine():
    """Processor, cores, memory and Python, as tables state them."""
    names = Path("/proc/cpuinfo")
    lines = names.read_text().splitlines() if names.exists() else []
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    memory = psutil.virtual_memory().total / 2**30
    return {
        "processor": models[0] if models else platform.processor(),
        "cores": os.cpu_count(),
        "memory_gib": round(memory),
        "python": platform.python_version(),
    }


@dataclass
class Results:
    """Rows of one benchmark, each a dict with `name` and `size`, kept in a file where one is named.

    Args:
        bench (`str`): the script, as the table names it.
        measured (`str`): the data, in words.
        path (`Path`, *optional*): the JSON file; `None` keeps the rows in memory alone.
    """

    bench: str
    measured: str
    path: Path | None = None
    rows: list[dict] = field(default_factory=list)

    def __post_init__(self):
        if self.path is None or not self.path.exists():
            return
        held = json.loads(self.path.read_text())
        for key, value in self.head().items():
            if held[key] != value:
                sys.exit(
                    f"{self.path} was measured with {key} {held[key]!r}, this run with {value!r}: "
                    "name another file"
                )
        self.rows = held["rows"]

    def head(self):
        return {"bench": self.bench, "measured": self.measured, "machine": machine()}

    def find(self, name, size):
        """The row of a piece that was measured before, else None."""
        return next((row for row in self.rows if (row["name"], row["size"]) == (name, size)), None)

    def add(self, row):
        """Keeps a row, in place of an older one of the same piece."""
        old = self.find(row["name"], row["size"])
        self.rows = [one for one in self.rows if one is not old] + [row]
        if self.path is not None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            draft = self.path.with_suffix(".part")
            draft.write_text(json.dumps({**self.head(), "rows": self.rows}, indent=1) + "\n")
            draft.replace(self.path)
