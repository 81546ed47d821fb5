"""Kills the real command at random moments, runs it again, and looks at what is there.

    python tests/benchmarks/kill_runs.py --kills 200 --seed 0 --folder /tmp/kills

Each kill is a SIGKILL of the command's process group at a moment drawn uniformly over the time of
an undisturbed run. After it the output must be the old one or the new one, whole; after another
run it must be that of an undisturbed run, with no file left beside it, in the Hugging Face caches
or in the folder for temporary files that an undisturbed run does not leave. Each kill is a line of
kills.jsonl in the folder: stopped and started again, the script goes on where it was.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

CLI = "from semenrich_datasets.cli import app; app()"
#: What is killed: the command but for its output, and its output.
COMMANDS = {
    "build": (["build", "reports.csv"], "index"),
    "enrich csv": (["enrich", "reports.csv", "-i", "fitted"], "out.csv"),
    "enrich parquet": (["enrich", "reports.csv", "-i", "fitted"], "out.parquet"),
    "enrich folder": (["enrich", "reports.csv", "-i", "fitted"], "out"),
    "enrich csv, 2 processes": (
        ["enrich", "reports.csv", "-i", "fitted", "--num-proc", "2"],
        "out.csv",
    ),
    "build and enrich": (["enrich", "reports.csv"], "out.csv"),
}
# Random parts of names, and what is made anew for each new input or on another day.
_RANDOM = re.compile(r"[0-9a-f]{16,}|(?<=tmp)\w{8}|(?<=pymp-)\w+")


class Place:
    """The folder in which one kind of command is run and killed.

    Args:
        root (`Path`): Where it is made; it holds the reports, the output and all caches.
        name (`str`): Of [`COMMANDS`].
    """

    def __init__(self, root: Path, name: str) -> None:
        self.root = root / name.replace(" ", "-").replace(",", "")
        self.kept = self.root.with_suffix(".old")
        self.arguments, self.output = COMMANDS[name]
        caches = {"HF_HOME": str(self.root / "hf"), "TMPDIR": str(self.root / "tmp")}
        self.env = {**os.environ, **caches, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}

    def start(self, arguments: Sequence[str]) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-c", CLI, *arguments]
        log = (self.root.parent / f"{self.root.name}.log").open("ab")
        return subprocess.Popen(
            command, cwd=self.root, env=self.env, stdout=log, stderr=log, start_new_session=True
        )

    def run(self, arguments: Sequence[str] | None = None) -> float:
        """Runs the command to its end and gives its seconds."""
        began = time.monotonic()
        if self.start(arguments or self.command).wait():
            raise SystemExit(f"the command failed: see {self.root}.log")
        return time.monotonic() - began

    def run_killed(self, after: float) -> bool:
        """Kills the command after some seconds; tells whether it had ended before."""
        process = self.start(self.command)
        try:
            process.wait(after)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return False
        return True

    @property
    def command(self) -> list[str]:
        return [*self.arguments, "-o", self.output]

    def digest(self) -> str:
        """The digest of the rows or of the index that the output holds; of none, "none"."""
        path = self.root / self.output
        if not path.exists():
            return "none"
        if self.output == "index":
            config = path / "config.json"
            return _check_index(path) if config.is_file() else "none"
        settings = (
            path / "semenrich.json"
            if path.is_dir()
            else path.with_name(f"{path.name}.semenrich.json")
        )
        if not settings.is_file():
            return "reports without settings"
        return _digest_rows(path)

    def _outputs(self, folder: Path) -> list[Path]:
        return sorted(folder.glob(f"{Path(self.output).stem}*"))

    def keep_old(self) -> None:
        """Keeps the output that is there, to be replaced by each run that is killed."""
        self.kept.mkdir()
        for path in self._outputs(self.root):
            copy = shutil.copytree if path.is_dir() else shutil.copy2
            copy(path, self.kept / path.name)

    def restore_old(self) -> None:
        """Puts the kept output into its place."""
        for path in self._outputs(self.root):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        for path in self._outputs(self.kept):
            copy = shutil.copytree if path.is_dir() else shutil.copy2
            copy(path, self.root / path.name)

    def names(self) -> Counter[str]:
        """Every file and folder, random parts of their names left out."""
        paths = [path.relative_to(self.root) for path in self.root.rglob("*")]
        return Counter(_RANDOM.sub("*", str(path)) for path in paths)


def _digest_rows(path: Path) -> str:
    from semenrich_datasets.report_files import load_reports, read_settings

    settings = read_settings(str(path))
    if settings is None:
        return "reports without settings"
    rows = load_reports(str(path)).to_pandas()
    text = json.dumps([settings["index_digest"], settings["seed"]]) + rows.to_json()
    return hashlib.sha256(text.encode()).hexdigest()


def _check_index(path: Path) -> str:
    from semenrich_datasets import FindingsIndex

    return FindingsIndex.from_pretrained(path).digest


def prepare(root: Path, name: str, studies: int) -> tuple[Place, dict[str, object]]:
    """Makes the place of a command, with what undisturbed runs of it leave, once."""
    place = Place(root, name)
    known = root / f"{place.root.name}.json"
    if known.is_file():
        return place, json.loads(known.read_text())
    from semenrich_datasets.phantom import load_phantom

    for folder in (place.root, place.kept):
        shutil.rmtree(folder, ignore_errors=True)
    (place.root / "tmp").mkdir(parents=True)
    phantom = load_phantom(studies, images=False).select_columns(["findings", "impression"])
    phantom.to_csv(place.root / "reports.csv")
    if "fitted" in place.arguments:
        place.run(["build", "reports.csv", "-o", "fitted"])
    # The old output is another one than the new: of another seed.
    seconds = place.run([*place.command, "--seed", "1"])
    old = place.digest()
    place.keep_old()
    seconds = min(seconds, place.run())
    undisturbed = {
        "seconds": seconds,
        "old": old,
        "new": place.digest(),
        "names": dict(place.names()),
    }
    known.write_text(json.dumps(undisturbed))
    return place, undisturbed


def kill_once(place: Place, undisturbed: dict[str, object], after: float) -> dict[str, object]:
    """Kills one run, runs again, and tells what was wrong."""
    place.restore_old()
    if "build" in place.arguments or "fitted" not in place.arguments:
        # The embedding is part of what is killed.
        shutil.rmtree(place.root / "hf" / "semenrich", ignore_errors=True)
    ended = place.run_killed(after)
    wrong = []
    try:
        found = place.digest()
    except Exception as error:
        found = f"broken: {error}"
    if found not in (undisturbed["old"], undisturbed["new"]):
        wrong.append(f"after the kill: {found}")
    place.run()
    if place.digest() != undisturbed["new"]:
        wrong.append("another output than that of an undisturbed run")
    left = place.names() - Counter(undisturbed["names"])
    which = "old" if found == undisturbed["old"] else "new"
    return {"after": after, "ended": ended, "found": which, "wrong": wrong, "left": sorted(left)}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--studies", type=int, default=120)
    parser.add_argument("--command", choices=COMMANDS, nargs="*", default=list(COMMANDS))
    options = parser.parse_args()
    root = options.folder.resolve()
    root.mkdir(parents=True, exist_ok=True)
    # The checks read in this process: its caches are apart from those that are checked.
    log = root / "kills.jsonl"
    done = [json.loads(line) for line in log.read_text().splitlines()] if log.is_file() else []
    draws = random.Random(options.seed)
    for number in range(options.kills):
        name, share = options.command[number % len(options.command)], draws.random()
        if number < len(done):
            continue
        place, undisturbed = prepare(root, name, options.studies)
        line = {"kill": number, "command": name}
        line |= kill_once(place, undisturbed, share * undisturbed["seconds"])
        done.append(line)
        with log.open("a") as file:
            file.write(json.dumps(line) + "\n")
        print(json.dumps(line), flush=True)
    wrong = sum(bool(line["wrong"]) for line in done)
    left = Counter(name for line in done for name in line["left"])
    found = Counter(line["found"] for line in done)
    ended = sum(line["ended"] for line in done)
    print(f"{len(done)} kills ({ended} came after the end), {dict(found)} output after them")
    print(f"{wrong} wrong, left: {dict(left)}")


if __name__ == "__main__":
    main()
