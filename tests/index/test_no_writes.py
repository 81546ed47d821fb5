"""Loading, hashing and pickling write nothing, wherever the caches of this machine lie."""

import hashlib
import json
import pickle
import subprocess
import sys

import pytest
from datasets.fingerprint import Hasher
from fakes import build_index, child_environment, made_up_reports

from semenrich_datasets import FindingsIndex, SemEnricher

SCRIPT = """
import json, pickle, sys
from pathlib import Path
from datasets.fingerprint import Hasher
from fakes import UnusableEncoder, build_index, made_up_reports
from semenrich_datasets import FindingsIndex, SemEnricher

folder, pickles = Path(sys.argv[1]), Path(sys.argv[2])
saved = pickle.loads((pickles / "saved").read_bytes())
unsaved = pickle.loads((pickles / "unsaved").read_bytes())
index = FindingsIndex.from_pretrained(folder, encoder=UnusableEncoder())
built = build_index(made_up_reports(60))
found = []
for enricher in (saved, unsaved, SemEnricher(index), SemEnricher(built)):
    again = pickle.loads(pickle.dumps(enricher))
    assert Hasher.hash(again) == Hasher.hash(enricher)
    texts = [row["findings"] for row in made_up_reports(20)]
    found.append([again.index.digest, Hasher.hash(enricher), again({"findings": texts})])
print(json.dumps(found))
"""


def files_under(*folders):
    """Every path, with what is in it."""
    return {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None
        for folder in folders
        for path in sorted(folder.rglob("*"))
    }


@pytest.fixture
def places(tmp_path):
    """A saved index, and pickles of enrichers with a saved and with an unsaved one."""
    index, unsaved = build_index(), build_index(made_up_reports(60))
    index.save_pretrained(tmp_path / "index")
    (tmp_path / "pickles").mkdir()
    expected = []
    for name, one in (("saved", index), ("unsaved", unsaved)):
        enricher = SemEnricher(one)
        (tmp_path / "pickles" / name).write_bytes(pickle.dumps(enricher))
        texts = [row["findings"] for row in made_up_reports(20)]
        expected.append([one.digest, Hasher.hash(enricher), enricher({"findings": texts})])
    return tmp_path, [expected[0], expected[1], expected[0], expected[1]]


@pytest.mark.parametrize("kind", ["unwritable", "another"])
def test_a_process_with_another_home_writes_nothing(places, kind):
    folder, expected = places
    for name in ("work", "scratch", "user"):
        (folder / name).mkdir()
    if kind == "unwritable":
        # Below a file no folder can be made, not even by root.
        (folder / "file").write_text("in the way")
        home = folder / "file" / "home"
    else:
        home = folder / "other_home"
    before = files_under(folder)
    environment = {
        **child_environment(home),
        "TMPDIR": str(folder / "scratch"),
        "HOME": str(folder / "user"),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(folder / "index"), str(folder / "pickles")],
        env=environment,
        cwd=folder / "work",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert [row[0] for row in found] == [row[0] for row in expected]
    assert [row[2] for row in found] == [row[2] for row in expected]
    assert [row[1] for row in found[:2]] == [row[1] for row in expected[:2]]
    after = files_under(folder)
    assert {path for path in after if path not in before} == set()
    assert after == before


def test_building_saving_and_loading_write_the_index_alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    index = build_index(made_up_reports(60))
    pickle.dumps(index)
    Hasher.hash(SemEnricher(index))
    assert list(tmp_path.iterdir()) == []
    index.save_pretrained(tmp_path / "index")
    written = files_under(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["index"]
    loaded = FindingsIndex.from_pretrained(tmp_path / "index")
    Hasher.hash(SemEnricher(loaded))
    pickle.loads(pickle.dumps(loaded))
    assert files_under(tmp_path) == written


def test_a_saved_index_hashes_by_its_place_whoever_loads_it(tmp_path):
    """An index that is saved and one that is loaded from there have one fingerprint."""
    index = build_index(made_up_reports(60))
    unsaved = Hasher.hash(SemEnricher(index))
    index.save_pretrained(tmp_path / "index")
    saved = Hasher.hash(SemEnricher(index))
    assert saved == Hasher.hash(SemEnricher(tmp_path / "index"))
    assert saved == Hasher.hash(SemEnricher(build_index_at(tmp_path / "index")))
    assert unsaved == Hasher.hash(SemEnricher(build_index(made_up_reports(60))))


def build_index_at(folder):
    return FindingsIndex.from_pretrained(str(folder))
