"""Results of benchmarks: a killed run resumes, another machine's are refused, tables hold all."""

import json

import pytest
import results
import write_tables
from results import Results

ENDED = {"name": "semenrich", "size": 5_000, "outcome": "ended", "cpu_seconds": 1.5, "ari": 0.98}
NOT_ENDED = {"name": "hdbscan", "size": 5_000, "outcome": "did not end in 20 CPU minutes"}


@pytest.fixture
def path(tmp_path):
    kept = Results("clustering", "made-up points", tmp_path / "clustering.json")
    kept.add({**ENDED, "cpu_seconds": 9.0})
    kept.add(ENDED)
    kept.add(NOT_ENDED)
    return kept.path


def test_a_new_run_holds_what_was_measured(path):
    again = Results("clustering", "made-up points", path)
    assert again.rows == [ENDED, NOT_ENDED]
    assert again.find("hdbscan", 5_000) == NOT_ENDED
    assert again.find("hdbscan", 20_000) is None
    assert [file.name for file in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize(("bench", "measured"), [("cliques", "made-up points"), ("clustering", "")])
def test_results_of_something_else_are_refused(path, bench, measured):
    with pytest.raises(SystemExit, match="name another file"):
        Results(bench, measured, path)


def test_results_of_another_machine_are_refused(path, monkeypatch):
    monkeypatch.setattr(results, "machine", lambda: {"processor": "another"})
    with pytest.raises(SystemExit, match="measured with machine"):
        Results("clustering", "made-up points", path)


def test_the_table_holds_each_row_and_the_plots_are_the_same_again(path, tmp_path, monkeypatch):
    (tmp_path / "scale").mkdir()
    build = {"build": {"cpu_s": 2.0, "peak_gib": 0.5}, "count": {"cpu_s": 1.0, "peak_gib": 0.1}}
    (tmp_path / "scale" / "figures.json").write_text(json.dumps({"10000 build": build}))
    written = []
    for name in ("first", "second"):
        output = tmp_path / name
        output.mkdir()
        monkeypatch.setattr(
            "sys.argv", ["write_tables.py", str(path.parent), "--output", str(output)]
        )
        write_tables.main()
        written.append({file.name: file.read_bytes() for file in output.iterdir()})
    assert written[0] == written[1]
    assert set(written[0]) == {"benchmarks.md", "benchmarks_time.svg", "benchmarks_memory.svg"}
    table = written[0]["benchmarks.md"].decode()
    assert "| clustering | semenrich | 5,000 | 1.5 |  | ari 0.98 |" in table
    assert "| clustering | hdbscan | 5,000 |  |  | did not end in 20 CPU minutes |" in table
    assert "| scale | build | 10,000 | 2 | 512 |  |" in table
