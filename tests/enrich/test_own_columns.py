"""Columns of a user's own that bear the names of the outputs: never overwritten."""

import json

import pytest
from datasets import Dataset
from fakes import build_index, made_up_reports
from typer.testing import CliRunner

from semenrich_datasets import SemEnricher
from semenrich_datasets.cli import app


@pytest.fixture(scope="module")
def index():
    return build_index(made_up_reports(60))


@pytest.mark.parametrize("own", [["enriched_findings"], ["added_findings"]])
@pytest.mark.parametrize("batched", [True, False])
def test_a_column_of_the_users_own_stays(index, own, batched):
    rows = [{**row, **dict.fromkeys(own, "mine")} for row in made_up_reports(5)]
    reports = Dataset.from_list(rows)
    with pytest.raises(ValueError, match=f"expected no column '{own[0]}'.*enriched_column="):
        reports.map(SemEnricher(index), batched=batched)
    stream = reports.to_iterable_dataset()
    with pytest.raises(ValueError, match="expected no column"):
        list(stream.map(SemEnricher(index), batched=batched))
    enricher = SemEnricher(index, enriched_column="complete", added_column="new")
    enriched = reports.map(enricher, batched=batched)
    assert enriched[own[0]][:] == ["mine"] * 5
    assert enriched.column_names == [*reports.column_names, "complete", "new"]


def test_twice_is_an_error_that_says_so(index):
    enricher = SemEnricher(index)
    reports = Dataset.from_list(made_up_reports(5))
    enriched = reports.map(enricher, batched=True)
    with pytest.raises(ValueError, match=r"'enriched_findings' and 'added_findings'.*Enriched alr"):
        enriched.map(enricher, batched=True)
    # The ways out: other names, or from the reports as they were.
    other = SemEnricher(index, variant=1, enriched_column="again", added_column="more")
    assert "again" in enriched.map(other, batched=True).column_names
    bare = enriched.remove_columns(["enriched_findings", "added_findings"])
    assert bare.map(enricher, batched=True)[:] == enriched[:]


@pytest.mark.parametrize("name", ["out.csv", "out.jsonl", "out.parquet"])
def test_the_command_line_says_that_a_file_is_enriched_already(index, tmp_path, name):
    index.save_pretrained(tmp_path / "index")
    reports = tmp_path / "reports.jsonl"
    lines = [json.dumps(row) for row in made_up_reports(5)]
    reports.write_text("\n".join(lines), encoding="utf-8")
    first, second = tmp_path / name, tmp_path / "second.csv"
    result = CliRunner().invoke(
        app, ["enrich", str(reports), "-o", str(first), "-i", str(tmp_path / "index")]
    )
    assert result.exit_code == 0, result.output
    # Before an index is built of it, too: that takes hours.
    result = CliRunner().invoke(app, ["enrich", str(first), "-o", str(second)])
    assert result.exit_code == 1
    assert "Enriched already? Start from the reports as they were" in result.output
    assert not second.exists()
