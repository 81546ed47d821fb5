"""The settings of an enricher travel; variants share what is fitted."""

import json
import pickle

import pytest
from datasets import Dataset
from datasets.fingerprint import Hasher
from fakes import UnusableEncoder, build_index, made_up_reports

from semenrich_datasets import FindingsIndex, SemEnricher

SETTINGS = {
    "text_column": "report",
    "context_columns": ["impression", "clue"],
    "preset": "paper",
    "strategy": "heaviest",
    "max_added": 2,
    "min_score": 0.5,
    "unsaid_abnormal": 0.1,
    "privacy_floor": False,
    "image_column": None,
    "resample": True,
    "variant": 3,
    "seed": 7,
    "enriched_column": "complete",
    "added_column": "new",
}
TEXTS = [row["findings"] for row in made_up_reports(120)]
# Statements that no report makes together: of two such, a draw takes one.
APART = ["The diaphragm is normal.", "The hila are normal.", "No free air."]
REPORTS = [
    *(row["findings"] for row in made_up_reports()),
    *(f"{text} {TEXTS[number]}" for number, text in enumerate(APART * 40)),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("index")
    build_index(REPORTS)._write(path)
    return path


@pytest.fixture(scope="module")
def index(folder):
    return FindingsIndex.from_pretrained(folder, encoder=UnusableEncoder())


def additions(enricher):
    return enricher({"findings": TEXTS})["added_findings"]


def units_of(rows):
    return [{addition["cluster_id"] for addition in row} for row in rows]


def test_settings_name_every_argument_and_the_index(index):
    written = SemEnricher(index, **SETTINGS).to_dict()
    assert json.loads(json.dumps(written)) == written
    assert written == {
        **SETTINGS,
        "guards": [],
        "index_digest": index.digest,
        "index_reports": 320,
        "semenrich_version": index.config.semenrich_version,
    }


def test_the_defaults_are_written_too(index):
    enricher = SemEnricher(index)
    written = enricher.to_dict()
    assert written["preset"] == "safe"
    assert written["min_score"] == 0.97
    again = SemEnricher.from_dict(written, index)
    assert again.to_dict() == written
    assert additions(again) == additions(enricher)
    assert Hasher.hash(again) == Hasher.hash(enricher)


@pytest.mark.parametrize(
    "changes",
    [
        {"preset": "paper"},
        {"preset": "random", "seed": 4},
        {"max_added": 1},
        {"strategy": "random", "variant": 2},
        {"min_score": 0.0, "resample": True},
        SETTINGS,
    ],
    ids=str,
)
@pytest.mark.parametrize("form", ["object", "folder"])
def test_a_round_trip_makes_the_same_enricher(index, folder, changes, form):
    enricher = SemEnricher(index, **changes)
    written = json.loads(json.dumps(enricher.to_dict()))
    again = SemEnricher.from_dict(written, index if form == "object" else folder)
    assert again.to_dict() == enricher.to_dict()
    rows = {
        enricher.text_column or "findings": TEXTS,
        "impression": [None] * 120,
        "clue": ["Cough."] * 120,
    }
    assert again(rows) == enricher(rows)
    assert Hasher.hash(again) == Hasher.hash(enricher)


def test_what_more_stands_beside_the_settings_does_no_harm(index):
    written = {**SemEnricher(index).to_dict(), "index": "out.index", "note": 3}
    assert SemEnricher.from_dict(written, index).to_dict() == SemEnricher(index).to_dict()


def refuse_effusion(proposals):
    return ["word" if "effusion" in p.sentence.lower() else None for p in proposals]


class Strict:
    def __call__(self, proposals):
        return ["strict"] * len(proposals)


def test_guards_are_named_and_given_again(index):
    enricher = SemEnricher(index, guards=[Strict(), refuse_effusion])
    written = enricher.to_dict()
    assert written["guards"] == ["Strict", "function"]
    again = SemEnricher.from_dict(written, index, guards=[Strict()])
    assert not any(additions(again))
    assert any(additions(SemEnricher.from_dict(written, index)))


def test_another_index_is_refused(index):
    other = build_index(made_up_reports(50, seed=5))
    message = f"the index {index.digest[:12]}, .* found {other.digest[:12]}: pass that one"
    with pytest.raises(ValueError, match=message):
        SemEnricher.from_dict(SemEnricher(index).to_dict(), other)


@pytest.mark.parametrize("missing", ["preset", "variant", "index_digest"])
def test_a_missing_setting_is_named(index, missing):
    written = SemEnricher(index).to_dict()
    del written[missing]
    with pytest.raises(ValueError, match=f"found none of '{missing}'"):
        SemEnricher.from_dict(written, index)


def test_an_index_as_published_is_not_for_the_safe_preset():
    published = build_index(preset="paper")
    with pytest.raises(ValueError, match=r"found one built with preset='paper', .* build another"):
        SemEnricher(published)
    for preset in ("paper", "random"):
        assert any(additions(SemEnricher(published, preset=preset)))


def test_another_way_of_reading_is_another_fingerprint(index, monkeypatch):
    before = Hasher.hash(SemEnricher(index))
    monkeypatch.setattr("semenrich_datasets.reading.reader.GRAMMAR_VERSION", -1)
    assert Hasher.hash(SemEnricher(index)) != before


# Variants


@pytest.mark.parametrize("preset", ["safe", "paper", "random"])
def test_a_variant_gives_other_statements_and_shares_what_is_fitted(index, preset):
    enricher = SemEnricher(index, preset=preset)
    first = additions(enricher)
    other = enricher.with_variant(1)
    drawn = additions(other)
    assert (enricher.variant, other.variant) == (0, 1)
    # Other statements, not only other words for them; at another draw the same again.
    assert sum(a != b for a, b in zip(units_of(first), units_of(drawn), strict=True)) > 5
    assert additions(enricher) == first
    assert additions(enricher.with_variant(1)) == drawn
    assert additions(other.with_variant(0)) == first
    assert additions(SemEnricher(index, preset=preset, variant=1)) == drawn
    assert additions(enricher.with_variant(2)) not in (first, drawn)
    # Nothing is fitted again.
    assert other.index is enricher.index
    fitted = {"candidates", "compatible", "topics", "kind_evidence"}
    if preset != "safe":
        fitted = {"support", "position", "graph", "texts", "members", "allowed"}
    for name in fitted:
        assert getattr(other.selection, name) is getattr(enricher.selection, name)


def test_a_variant_is_fingerprinted_as_if_made_anew(index):
    enricher = SemEnricher(index, context_columns=["impression"])
    hashes = [Hasher.hash(enricher.with_variant(variant)) for variant in (0, 1, 2)]
    assert len(set(hashes)) == 3
    assert hashes[0] == Hasher.hash(enricher)
    made = SemEnricher(index, context_columns=["impression"], variant=1)
    assert Hasher.hash(made) == hashes[1]
    again = pickle.loads(pickle.dumps(enricher.with_variant(1)))
    assert again({"findings": TEXTS, "impression": [None] * 120}) == made(
        {"findings": TEXTS, "impression": [None] * 120}
    )


def test_each_variant_obeys_the_rules(index):
    enricher = SemEnricher(index, max_added=2)
    signs = index.unit_signs
    for variant in range(1, 4):
        for row in additions(enricher.with_variant(variant)):
            assert len(row) <= 2
            for addition in row:
                assert signs[addition["cluster_id"]] == "normal"
                assert addition["score"] >= 0.97


def test_a_strategy_of_ones_own_stays(index):
    enricher = SemEnricher(index, strategy="heaviest")
    units = units_of(additions(enricher))
    assert units_of(additions(enricher.with_variant(1))) == units
    reports = Dataset.from_dict({"findings": TEXTS})
    mapped = reports.map(enricher.with_variant(1), batched=True)["added_findings"]
    assert units_of(mapped) == units
