"""What the benchmarks share: the real reports, and tables."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from datasets import Dataset, load_dataset

IU_REPORTS = Path(__file__).resolve().parents[3] / "shared" / "iu_xray" / "reports.csv"


def load_iu(split: str | None = None) -> Dataset:
    """The IU X-ray reports, or one split of them."""
    reports = load_dataset("csv", data_files=str(IU_REPORTS), split="train")
    if split is None:
        return reports
    return reports.filter(lambda name: name == split, input_columns="split")


def print_table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Prints a Markdown table; floats with four digits."""
    print("| " + " | ".join(header) + " |")
    print("| " + " | ".join("---" for _ in header) + " |")
    for row in rows:
        cells = (f"{cell:.4g}" if isinstance(cell, float) else f"{cell}" for cell in row)
        print("| " + " | ".join(cells) + " |")
    print()
