"""What the benchmarks share: the reports that they measure, and tables.

    python tests/benchmarks/common.py FILE.csv [--reports CSV]

writes the reports for an environment that cannot make the phantom.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from datasets import Dataset, load_dataset

PHANTOM_STUDIES = 3_000
COLUMNS = ("findings", "impression")
WHERE = (
    "a CSV file with the columns findings and impression. Those of IU X-ray can be had from "
    "Open-i (openi.nlm.nih.gov) or Kaggle, 'Chest X-rays (Indiana University)', whose "
    "indiana_reports.csv has both columns."
)


@dataclass(frozen=True, eq=False)
class Corpus:
    """Reports, and what tables call them."""

    name: str
    reports: Dataset

    def parts(self) -> tuple[Dataset, Dataset]:
        """For fitting and for testing: by a column `split`, else a tenth drawn for testing."""
        if "split" not in self.reports.column_names:
            return tuple(self.reports.train_test_split(0.1, seed=0).values())
        chosen = ("train", "validation") if "validation" in self.reports["split"] else None
        names = chosen or ("train", "test")
        return tuple(self.reports.filter(name.__eq__, input_columns="split") for name in names)


def corpus_argument(parser: argparse.ArgumentParser) -> None:
    """Adds `--reports`; the phantom by default."""
    text = f"reports to measure on in place of the phantom: {WHERE}"
    parser.add_argument("--reports", type=Path, metavar="CSV", help=text.replace("%", "%%"))


@cache
def load_corpus(path: Path | None = None, studies: int = PHANTOM_STUDIES) -> Corpus:
    """The reports of a CSV file, or as many synthetic ones."""
    if path is None:
        from semenrich_datasets.phantom import load_phantom

        name = f"phantom, {studies:,} synthetic studies"
        return Corpus(name, load_phantom(studies, seed=0, images=False))
    if not path.is_file():
        raise SystemExit(f"no file {path}: expected {WHERE}")
    reports = load_dataset("csv", data_files=str(path), split="train")
    missing = [column for column in COLUMNS if column not in reports.column_names]
    if missing:
        found = ", ".join(reports.column_names)
        raise SystemExit(f"no column {missing[0]} in {path}, found {found}: expected {WHERE}")
    # What is no text at all (a column of blanks) is read as numbers.
    reports = reports.filter(lambda text: isinstance(text, str), input_columns="findings")
    name = os.path.join(path.resolve().parent.name, path.name)
    return Corpus(f"{name}, {len(reports):,} reports with findings", reports)


def parse_corpus(doc: str) -> Corpus:
    """The corpus that the command line names, for a benchmark without other options."""
    parser = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    corpus_argument(parser)
    return load_corpus(parser.parse_args().reports)


def print_table(measured: str, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Prints a Markdown table under what it was measured on; floats with four digits."""
    print(f"Measured on: {measured}\n")
    print("| " + " | ".join(header) + " |")
    print("| " + " | ".join("---" for _ in header) + " |")
    for row in rows:
        cells = (f"{cell:.4g}" if isinstance(cell, float) else f"{cell}" for cell in row)
        print("| " + " | ".join(cells) + " |")
    print(flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="Writes the reports of a benchmark as CSV.")
    parser.add_argument("target", type=Path)
    corpus_argument(parser)
    options = parser.parse_args()
    load_corpus(options.reports).reports.select_columns(list(COLUMNS)).to_csv(options.target)


if __name__ == "__main__":
    main()
