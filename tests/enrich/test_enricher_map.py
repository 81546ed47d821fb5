"""SemEnricher under `datasets`: the same bytes through every door, cached, and types fixed."""

import hashlib
import json
import pickle
import subprocess
import sys
from pathlib import Path

import datasets
import pytest
from fakes import UnusableEncoder, build_index, child_environment, made_up_reports

from semenrich_datasets import FindingsIndex, SemEnricher

NEW_COLUMNS = ["enriched_findings", "added_findings"]
ADDED_FEATURE = datasets.List(
    {
        "sentence": datasets.Value("string"),
        "cluster_id": datasets.Value("int64"),
        "support": datasets.Value("int64"),
        "score": datasets.Value("float64"),
    }
)
ODD_ROWS = [None, "", " \n", "Ultrasound of the knee.", "...", "XXXX XXXX"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("index")
    build_index()._write(path)
    return path


@pytest.fixture
def index(folder):
    # No sentence of a report may be embedded: known or not, enriching needs no encoder.
    return FindingsIndex.from_pretrained(folder, encoder=UnusableEncoder())


@pytest.fixture
def reports(tmp_path):
    """A dataset on disk, so that `map` caches."""
    rows = [*made_up_reports(150), *({"findings": t, "impression": None} for t in ODD_ROWS)]
    rows = [{"number": number, **row} for number, row in enumerate(rows)]
    datasets.Dataset.from_list(rows).save_to_disk(tmp_path / "reports")
    return datasets.load_from_disk(tmp_path / "reports")


def new_columns(dataset):
    """The new columns by row number, whatever the order of the rows."""
    rows = sorted(dataset, key=lambda row: row["number"])
    return [[row[name] for name in NEW_COLUMNS] for row in rows]


@pytest.mark.parametrize("preset", ["safe", "paper", "random"])
def test_every_way_to_map_gives_the_same(index, reports, preset):
    enricher = SemEnricher(index, context_columns=["impression"], preset=preset, resample=True)
    expected = reports.map(enricher, batched=True)
    assert expected.column_names == [*reports.column_names, *NEW_COLUMNS]
    assert expected.features["enriched_findings"] == datasets.Value("string")
    assert expected.features["added_findings"] == ADDED_FEATURE
    assert expected.remove_columns(NEW_COLUMNS)[:] == reports[:]
    assert sum(map(bool, expected["added_findings"])) > 50
    ways = [
        {"batched": True, "batch_size": 1},
        {"batched": True, "batch_size": 7},
        {"batched": True, "num_proc": 2},
        {"batched": False},
        {"batched": False, "num_proc": 4},
        {"batched": True, "batch_size": 7, "num_proc": 4},
    ]
    for way in ways:
        mapped = reports.map(enricher, **way)
        assert mapped.features == expected.features, way
        assert new_columns(mapped) == new_columns(expected), way
    shuffled = reports.shuffle(seed=1).map(enricher, batched=True)
    assert new_columns(shuffled) == new_columns(expected)
    assert shuffled["number"] != expected["number"]


def test_streams(index, reports):
    enricher = SemEnricher(index)
    expected = new_columns(reports.map(enricher, batched=True))
    stream = reports.to_iterable_dataset(num_shards=3)
    for way in ({"batched": True}, {"batched": True, "batch_size": 7}, {"batched": False}):
        assert new_columns(stream.map(enricher, **way)) == expected
    features = enricher.features(reports.features)
    typed = stream.map(enricher, batched=True, features=features)
    assert typed.features["added_findings"] == ADDED_FEATURE
    assert list(typed.features) == [*reports.column_names, *NEW_COLUMNS]
    assert new_columns(typed) == expected


def test_a_dict_of_splits(index, reports):
    enricher = SemEnricher(index)
    splits = datasets.DatasetDict(train=reports, test=reports.select([0, 3]))
    enriched = splits.map(enricher, batched=True)
    assert new_columns(enriched["train"]) == new_columns(reports.map(enricher, batched=True))
    assert new_columns(enriched["test"]) == new_columns(enriched["train"].select([0, 3]))


def test_on_the_fly(index, reports):
    enricher = SemEnricher(index)
    expected = reports.map(enricher, batched=True)
    transformed = reports.with_transform(enricher)
    assert transformed[:] == expected.select_columns(NEW_COLUMNS)[:]
    assert transformed[4] == expected.select_columns(NEW_COLUMNS)[4]


@pytest.mark.parametrize("way", [{"batched": True}, {"batched": False}, {"num_proc": 2}], ids=str)
@pytest.mark.parametrize("texts", [["Unheard of."] * 3, [None] * 3, ["", None, "Unheard of."]])
def test_features_are_fixed_when_nothing_is_added(index, way, texts):
    dataset = datasets.Dataset.from_dict(
        {"findings": texts}, features=datasets.Features({"findings": datasets.Value("string")})
    )
    enriched = dataset.map(SemEnricher(index, preset="paper"), **way)
    assert enriched.features["enriched_findings"] == datasets.Value("string")
    assert enriched.features["added_findings"] == ADDED_FEATURE
    assert enriched[:] == {
        "findings": texts,
        "enriched_findings": [text or None for text in texts],
        "added_findings": [[], [], []],
    }


def test_the_types_of_late_additions(index):
    dataset = datasets.Dataset.from_dict({"findings": [None] * 1_500 + ["The lungs are clear."]})
    for batched in (True, False):
        enriched = dataset.map(SemEnricher(index), batched=batched)
        assert enriched.features["added_findings"] == ADDED_FEATURE
        assert enriched[-1]["added_findings"]


def test_the_columns_can_have_other_names(index, reports):
    renamed = reports.rename_column("findings", "report")
    enricher = SemEnricher(
        index, text_column="report", enriched_column="complete", added_column="new"
    )
    for batched in (True, False):
        enriched = renamed.map(enricher, batched=batched)
        assert enriched.column_names == [*renamed.column_names, "complete", "new"]
        assert enriched.features == enricher.features(renamed.features)
        plain = reports.map(SemEnricher(index), batched=True)
        assert enriched["complete"][:] == plain["enriched_findings"][:]


def test_an_image_is_never_decoded(index):
    table = datasets.Dataset.from_dict(
        {
            "findings": ["The lungs are clear.", "Lungs clear."],
            "image": [{"bytes": b"no image", "path": None}] * 2,
        },
        features=datasets.Features(
            {"findings": datasets.Value("string"), "image": datasets.Image()}
        ),
    )
    with pytest.raises(OSError, match="cannot identify image"):
        table[0]
    enricher = SemEnricher(index)
    for way in ({"batched": True}, {"batched": False}, {"batched": True, "num_proc": 2}):
        enriched = table.map(enricher, **way)
        assert enriched.select_columns(NEW_COLUMNS)[0]["added_findings"]
        assert enriched.cast_column("image", datasets.Image(decode=False))[0]["image"] == {
            "bytes": b"no image",
            "path": None,
        }


SCRIPT = """
import hashlib, json, sys, datasets
from semenrich_datasets import SemEnricher

index, reports = sys.argv[1:]
dataset = datasets.load_from_disk(reports)
enricher = SemEnricher(index, context_columns=["impression"])
enriched = dataset.map(enricher, batched=True)
rows = [enriched["enriched_findings"][:], enriched["added_findings"][:]]
digest = hashlib.sha256(json.dumps(rows).encode()).hexdigest()
print(json.dumps([digest, enriched._fingerprint, enriched.cache_files[0]["filename"]]))
"""


def test_another_process_gives_the_same_bytes_and_hits_the_cache(index, reports, folder, tmp_path):
    enricher = SemEnricher(index, context_columns=["impression"])
    enriched = reports.map(enricher, batched=True)
    rows = [enriched["enriched_findings"][:], enriched["added_findings"][:]]
    expected = hashlib.sha256(json.dumps(rows).encode()).hexdigest()
    (cache,) = (entry["filename"] for entry in enriched.cache_files)
    before = Path(cache).read_bytes()
    (path,) = {str(Path(entry["filename"]).parent) for entry in reports.cache_files}

    def run(**environment):
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, str(folder), path],
            env={**child_environment(tmp_path / "home"), **environment},
            capture_output=True,
            text=True,
            check=True,
        )
        return json.loads(done.stdout)

    assert run(PYTHONHASHSEED="1") == [expected, enriched._fingerprint, cache]
    assert Path(cache).read_bytes() == before
    # And without the cache.
    Path(cache).unlink()
    assert run(PYTHONHASHSEED="2") == [expected, enriched._fingerprint, cache]


def test_a_second_map_hits_the_cache(index, reports, monkeypatch):
    enricher = SemEnricher(index)
    first = reports.map(enricher, batched=True)
    calls = []
    original = SemEnricher._enrich
    monkeypatch.setattr(SemEnricher, "_enrich", lambda *a: calls.append(1) or original(*a))
    for again in (enricher, SemEnricher(index), pickle.loads(pickle.dumps(enricher))):
        second = reports.map(again, batched=True)
        assert second._fingerprint == first._fingerprint
    assert not calls
    for other in ({"seed": 1}, {"variant": 1}, {"preset": "paper"}, {"min_score": 0.5}):
        assert reports.map(SemEnricher(index, **other))._fingerprint != first._fingerprint
    assert calls


def test_a_pickle_is_small_and_the_same_before_and_after_use(index, reports, folder):
    enricher = SemEnricher(index, context_columns=["impression"])
    before = pickle.dumps(enricher)
    reports.map(enricher, batched=True)
    assert pickle.dumps(enricher) == before
    assert len(before) < 1_000 + len(str(folder))
    restored = pickle.loads(before)
    assert restored.index is index
    row = reports[0]
    assert restored(row) == enricher(row)


def test_an_index_that_was_never_saved_maps_in_workers(reports):
    enricher = SemEnricher(build_index(made_up_reports(60)))
    assert new_columns(reports.map(enricher, batched=True, num_proc=2)) == (
        new_columns(reports.map(enricher, batched=True))
    )


def refuse_effusion(proposals):
    return ["word" if "effusion" in p.sentence.lower() else None for p in proposals]


def test_guards_travel_to_workers(index, reports):
    enricher = SemEnricher(index, guards=[refuse_effusion])
    restored = pickle.loads(pickle.dumps(enricher))
    assert "effusion" not in str(restored({"findings": "The lungs are clear."}))
    enriched = reports.map(enricher, batched=True, num_proc=2)
    assert any(enriched["added_findings"])
    assert "effusion" not in str(enriched["added_findings"][:])


def test_missing_columns_are_named(index, reports):
    with pytest.raises(
        ValueError, match="'report' not found; the columns are 'number', 'findings'"
    ):
        reports.map(SemEnricher(index, text_column="report"), batched=True)
    with pytest.raises(
        ValueError, match=r"'summary' not found; .*'impression': .*context_columns="
    ):
        reports.map(SemEnricher(index, context_columns=["summary"]))
    with pytest.raises(ValueError, match=r"'scan' not found; .* pass one as image_column="):
        reports.map(SemEnricher(index, image_column="scan"), batched=True)
