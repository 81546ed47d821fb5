"""Cells of CSV files that a spreadsheet would run: written as text, read back as they were."""

import csv
import json
import shutil
import subprocess
from pathlib import Path

import pytest
from datasets import Dataset
from hypothesis import given
from hypothesis import strategies as st

import semenrich_datasets
from semenrich_datasets.csv_cells import guard_cell, unguard_cell
from semenrich_datasets.report_files import load_reports, save_reports

STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
HOSTILE = [
    '=HYPERLINK("http://127.0.0.1/?"&A1,"see")',
    "+1+1",
    "-2+3+cmd|' /C calc'!A0",
    "@SUM(1,1)",
    "\t=1+1",
    "\n=1+1",
    "\r=1+1",
    "Lungs clear.\r=1+1",
    "Lungs clear.\rNo effusion.\r",
    "Lungs clear.\r\nNo effusion.",
    "'=1+1",
    "''=1+1",
    "'quoted' words stay",
    "- No effusion.",
    "\uff1d1+1",
    "a = b",
]


@pytest.mark.parametrize("start", STARTS)
def test_a_cell_that_begins_as_a_formula_is_text(start):
    assert guard_cell(f"{start}1+1") == f"'{start}1+1"


@given(st.text(alphabet=[*STARTS, "'", "a", " "], max_size=6))
def test_what_is_read_is_what_was_written(text):
    written = guard_cell(text)
    assert unguard_cell(written) == text
    assert not written.startswith(STARTS)


def test_a_file_holds_no_formula_and_comes_back_exactly(tmp_path):
    rows = {
        "=id": [*range(len(HOSTILE))],
        "findings": HOSTILE,
        "enriched_findings": [f"{text} No effusion." for text in HOSTILE],
        "score": [-0.5] * len(HOSTILE),
    }
    reports = Dataset.from_dict(rows)
    target = tmp_path / "out.csv"
    save_reports(reports, str(target))
    with target.open(encoding="utf-8", newline="") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    assert not [cell for cell in cells if cell.startswith(STARTS) and cell != "-0.5"]
    loaded = load_reports(str(target))
    assert loaded.to_dict() == rows
    # And once more: nothing grows from file to file.
    again = tmp_path / "again.csv"
    save_reports(loaded, str(again))
    assert again.read_bytes() == target.read_bytes()


def test_other_forms_keep_texts_as_they_are(tmp_path):
    reports = Dataset.from_dict({"findings": HOSTILE})
    for name in ("out.jsonl", "out.parquet"):
        save_reports(reports, str(tmp_path / name))
        assert load_reports(str(tmp_path / name))["findings"][:] == HOSTILE


@pytest.mark.skipif(shutil.which("node") is None, reason="node not found")
def test_the_audit_page_writes_verdicts_in_the_same_way():
    script = Path(semenrich_datasets.__file__).parent / "audit" / "sample.js"
    found = next(line for line in script.read_text("utf-8").splitlines() if "const guard" in line)
    code = (
        f"{found}\nconsole.log(JSON.stringify({json.dumps(HOSTILE)}.map(guard).concat(guard(-1))))"
    )
    told = subprocess.run(["node", "-e", code], capture_output=True, text=True, check=True).stdout
    assert json.loads(told) == [*map(guard_cell, HOSTILE), "-1"]
