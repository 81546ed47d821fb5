"""The curve of pruning: every way is measured from the same seed, and its tokens are counted."""

import json
from pathlib import Path

import generate_reports
import pruning_curve
import pytest
from fakes import FakeEncoder
from tiny_vlm import build_vlm

from semenrich_datasets.phantom import load_phantom


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("model")
    for part in build_vlm(load_phantom(60, images=False)["findings"], "tiny"):
        part.save_pretrained(folder)
    return str(folder)


@pytest.fixture(autouse=True)
def _fakes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("semenrich_trainers.sentence_vectors.load_encoder", encoder)
    monkeypatch.setattr(pruning_curve, "load_encoder", encoder)
    # Random tokens finish no sentence, and until one has been finished nobody is stopped.
    monkeypatch.setattr("semenrich_trainers.pruned_generation.finished_findings", str)


def encoder(given: object) -> FakeEncoder:
    return FakeEncoder()


def test_the_curve(model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "curve.json"
    small = "--studies 2 --corpus 8 --n 4 --keeps 0.5 --max_new_tokens 12"
    lines = pruning_curve.main([model, *small.split(), "--output", str(output)])
    assert json.loads(output.read_text()) == lines
    ways = [(line["method"], line["n"], line["keep"]) for line in lines]
    assert ways == [
        ("greedy", 1, 1.0),
        ("best_of_n", 4, 1.0),
        ("best_of_n", 2, 1.0),
        ("pruned by typicality", 4, 0.5),
        ("pruned by corpus", 4, 0.5),
        ("pruned by random", 4, 0.5),
    ]
    tokens = [line["tokens"] for line in lines]
    assert tokens[0] <= 2 * 12
    assert tokens[2] < tokens[1] <= 2 * 4 * 12
    saved = [line["tokens_saved"] for line in lines]
    assert saved == pytest.approx([1 - one / tokens[1] for one in tokens])
    # A quarter and half of the greedy reports, which hardly ever end of themselves.
    assert [line.get("checkpoints") for line in lines] == [None] * 3 + [[3, 6]] * 3
    # 4, 2 and 1 candidates: 4 * 3 + 2 * 3 + 1 * 6 tokens a study in place of 4 * 12.
    assert saved[3:] == [0.5] * 3
    table = capsys.readouterr().out.splitlines()
    assert table[-6].startswith("| greedy | 1 | 1.0 | ")
    assert len([row for row in table if row.startswith("| ")]) == 8


def test_generate_reports_prunes(model: str, tmp_path: Path) -> None:
    small = "--test_reports 2 --best_of 4 --prune 0.5 --checkpoints 3 6 --max_new_tokens 8"
    output = tmp_path / "reports.jsonl"
    reports = generate_reports.main(["--model", model, *small.split(), "--output", str(output)])
    assert len(reports) == 2
    assert output.exists()
