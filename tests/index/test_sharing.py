"""The shared form of an index: what may travel, and nothing else, in any of its files."""

import json
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest
from fakes import MARKED, RARE, FakeEncoder, build_index, made_up_reports
from tampering import copy_index, edit_config, edit_table, put, read_table

from semenrich_datasets import FindingsIndex, SemEnricher
from semenrich_datasets.index.files import IndexFileError
from semenrich_datasets.index.holders import MIN_SUPPORT
from semenrich_datasets.index.sharing import round_counts, share_parts

# Held by one or two reports each, as a patient's own sentences are.
PLANTED = [
    "No pleural effusion, Zelenko.",
    "Old fracture after the Plovdiv accident.",
    "Quincunx sign is absent.",
]


@pytest.fixture(scope="module")
def rows():
    rows = made_up_reports(300)
    for place, sentence in enumerate(PLANTED):
        for row in rows[10 * place : 10 * place + 2]:
            row["findings"] += f" {sentence}"
            row["impression"] = f"Seen by Dr. Ferdinandov. {sentence}"
    # A word that no lexicon holds, in more reports than the silence model asks for.
    for row in rows[100:140]:
        row["findings"] += " Dictated by Karamfilov."
    return rows


@pytest.fixture(scope="module")
def full(rows):
    return build_index(rows)


@pytest.fixture(scope="module")
def folder(full, tmp_path_factory):
    path = tmp_path_factory.mktemp("shared")
    full.save_pretrained(path, share=True)
    return path


def everything_in(folder):
    """All that the files say: their bytes, and the cells of tables, which may be compressed."""
    for path in sorted(folder.iterdir()):
        yield path.read_bytes().decode("utf-8", "replace").lower()
        if path.suffix == ".parquet":
            yield json.dumps(pq.read_table(path).to_pylist(), default=str).lower()


def test_no_file_holds_a_sentence_of_few_reports(full, folder):
    told = "\n".join(everything_in(folder))
    held = full.sentences.to_pylist()
    few = [row for row in held if row["reports"] < MIN_SUPPORT]
    assert len(few) >= len(PLANTED)
    barred = [row for row in held if not row["transferable"]]
    assert any(row["sign"] == "abnormal" for row in barred)
    kept = set(FindingsIndex.from_pretrained(folder).sentences.column("sentence").to_pylist())
    for row in (*few, *barred):
        assert row["sentence"] not in kept
        # "clear lungs" is a part of other sentences; what is longer stands for itself.
        if not any(row["sentence"] in other for other in kept):
            assert row["sentence"] not in told
    for word in ("zelenko", "plovdiv", "quincunx", "ferdinandov", "karamfilov"):
        assert word not in told
    for sentence in (*RARE, *MARKED):
        assert sentence.lower().rstrip(".") not in kept


def test_the_full_index_holds_them(full, tmp_path):
    full.save_pretrained(tmp_path)
    told = "\n".join(everything_in(tmp_path))
    assert all(word in told for word in ("zelenko", "plovdiv", "karamfilov"))


def test_every_count_is_a_multiple_and_few_are_gone(full, folder):
    shared = FindingsIndex.from_pretrained(folder)
    counts = [
        shared.sentences.column("reports"),
        shared.sentences.column("occurrences"),
        shared.unit_table.column("support"),
        shared.unit_table.column("occurrences"),
        shared.cooccurrence.data,
        shared.agreement.usage,
        shared.agreement.speaks,
        shared.agreement.speaks_with.data,
        *shared.silence.counts,
        [shared.config.reports, shared.config.reports_without_text],
    ]
    for column in counts:
        values = np.asarray(column)
        assert not (values % MIN_SUPPORT).any()
    assert np.asarray(shared.sentences.column("reports")).min() >= MIN_SUPPORT
    assert shared.cooccurrence.data.min() >= MIN_SUPPORT
    exact = full.config.reports
    assert exact - 2 <= shared.config.reports <= exact + 2


def test_rounding():
    assert round_counts([0, 1, 2, 3, 4, 5, 6, 7, 8, 100]).tolist() == [
        *(0, 0, 0, 3, 3, 6, 6, 6, 9),
        99,
    ]


def test_the_order_of_rows_tells_no_more_than_the_counts(folder):
    shared = FindingsIndex.from_pretrained(folder)
    rows = shared.sentences.select(["reports", "sentence"]).to_pylist()
    keys = [(-row["reports"], row["sentence"]) for row in rows]
    assert keys == sorted(keys)
    assert shared.unit_table.column("unit_id").to_pylist() == [*range(shared.unit_table.num_rows)]
    places = np.asarray(shared.unit_table.column("position"))
    assert np.allclose(places, places.round(2))


def test_two_statements_that_two_reports_make_both_are_not_told(full):
    kept = share_parts(full._parts).agreement.together
    assert (kept % MIN_SUPPORT == 0).all()
    assert kept.any()
    exact = full.agreement.together
    few = np.where(exact == exact.min(), MIN_SUPPORT - 1, exact)
    parts = full._parts._replace(agreement=replace(full.agreement, together=few))
    assert (share_parts(parts).agreement.together == 0).sum() == (few < MIN_SUPPORT).sum() > 0


def test_the_prior_of_a_topic_hides_counts_of_few_reports(full):
    """Two corpora that differ in one abnormal report of an unlearned topic look the same."""
    silence = full.silence
    unlearned = np.flatnonzero(~silence.text.learned)
    assert len(unlearned)
    priors = set()
    for abnormal in range(MIN_SUPPORT + 1):
        counts = silence.counts._replace(abnormal=np.full_like(silence.counts.abnormal, abnormal))
        parts = full._parts._replace(silence=replace(silence, counts=counts))
        priors.add(share_parts(parts).silence.text.intercepts[:, unlearned].tobytes())
    assert len(priors) == 1


def test_it_loads_and_enriches_as_any_index(full, folder, rows):
    shared = FindingsIndex.from_pretrained(folder, encoder=FakeEncoder())
    assert shared.config.shared
    assert not full.config.shared
    assert "shared" in (folder / "README.md").read_text()
    texts = {"findings": [row["findings"] for row in rows]}
    by_full = SemEnricher(full)(texts)["added_findings"]
    by_shared = SemEnricher(shared)(texts)["added_findings"]
    assert sum(map(len, by_shared)) > 0.8 * sum(map(len, by_full)) > 100
    known = set(full.sentences.column("text").to_pylist())
    added = {one["sentence"] for found in by_shared for one in found}
    assert added <= known
    found = shared.units(["Lungs clear.", "Quincunx sign is absent."])
    assert [unit.unit_id >= 0 for unit in found] == [True, False]


def test_it_is_its_own_shared_form(full, folder, tmp_path):
    shared = FindingsIndex.from_pretrained(folder)
    assert shared.save_pretrained(tmp_path, share=True) == shared.digest
    unsaved = FindingsIndex(*full._parts)
    assert unsaved.save_pretrained(tmp_path, share=True) == shared.digest != unsaved.digest
    # The index itself does not lie there: pickles of it do not look for it.
    assert "_location" not in unsaved.__dict__


@pytest.mark.parametrize("preset", ["paper", "random"])
def test_the_published_presets_ask_for_the_whole_index(folder, preset):
    with pytest.raises(ValueError, match="knows no abnormal sentence: pass the index itself"):
        SemEnricher(folder, preset=preset)


def test_a_whole_index_that_calls_itself_shared_is_refused(full, tmp_path):
    # It would be pushed, public, as it is.
    path = tmp_path / "index"
    full.save_pretrained(path)
    edit_config(path, lambda config: config.update(shared=True))
    with pytest.raises(IndexFileError, match="expected sentences that may travel in a shared"):
        FindingsIndex.from_pretrained(path)


@pytest.mark.parametrize(
    ("stem", "column", "value", "message"),
    [
        ("sentences", "holders", 0, "expected sentences that may travel in a shared index"),
        ("sentences", "transferable", False, "expected sentences that may travel in a shared"),
        ("sentences", "text", "Clear lungs of Zelenko.", "sentences that may travel"),
        ("silence", "feature", 'says "zelenko"', "expected words of the lexicon in a shared"),
    ],
)
def test_what_is_put_into_a_shared_index_is_refused(folder, tmp_path, stem, column, value, message):
    path = copy_index(folder, tmp_path / "index")
    last = read_table(path, stem).num_rows - 1
    edit_table(path, stem, put(column, last, value))
    with pytest.raises(IndexFileError, match=message):
        FindingsIndex.from_pretrained(path)


def test_nothing_to_share_is_an_error():
    index = build_index([{"findings": "The lungs are clear."}], embedder=FakeEncoder())
    with pytest.raises(ValueError, match=r"3 patients hold: .*share=False"):
        index.shared()
