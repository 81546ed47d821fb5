"""Counts, tables and card of an enriched dataset: every row counted, rare wordings not shown."""

import json
import time

import numpy as np
import pytest
from datasets import Dataset, Features, Value
from fakes import RARE, build_index, made_up_reports

from semenrich_datasets import SemEnricher
from semenrich_datasets.audit import audit_tables, dataset_card, summarize
from semenrich_datasets.audit.tables import unit_sizes
from semenrich_datasets.columns import StudyTexts
from semenrich_datasets.enrich.reasons import Reason
from semenrich_datasets.index.holders import travelling_texts

ODD_ROWS = [
    {"findings": None, "impression": None},
    {"findings": "", "impression": "Normal."},
    {"findings": " \n. ", "impression": ""},
    {"findings": "Quite another matter altogether.", "impression": None},
]


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    index = build_index()
    index.save_pretrained(tmp_path_factory.mktemp("index"))
    return index


@pytest.fixture(scope="module")
def reports():
    return Dataset.from_list(made_up_reports(60, seed=5) + ODD_ROWS)


@pytest.fixture(scope="module")
def enricher(index):
    return SemEnricher(index, context_columns=["impression"])


@pytest.fixture(scope="module")
def enriched(reports, enricher):
    return reports.map(enricher, batched=True)


@pytest.fixture(scope="module")
def tables(enriched, enricher):
    return audit_tables(enriched, enricher)


def test_every_row_is_counted_once(enriched, enricher):
    summary = summarize(enriched, enricher)
    lengths = [len(added) for added in enriched["added_findings"]]
    assert summary.rows == 64
    assert summary.rows_without_text == 3
    assert summary.rows_unknown == 1
    assert summary.rows_enriched == sum(length > 0 for length in lengths) > 20
    assert summary.rows_unchanged == 64 - 3 - summary.rows_enriched
    assert summary.additions == sum(lengths)
    assert summary.additions_per_report == sum(lengths) / 61


def test_additions_are_counted_by_sentence_and_by_unit(enriched, enricher):
    added = [addition for row in enriched["added_findings"] for addition in row]
    summary = summarize(enriched, enricher)
    assert summary.distinct_additions == len({addition["sentence"] for addition in added})
    units = [addition["cluster_id"] for addition in added]
    assert summary.additions_by_unit == {unit: units.count(unit) for unit in set(units)}
    counts = list(summary.additions_by_unit.values())
    assert counts == sorted(counts, reverse=True)


def test_figures_as_text_and_as_table(enriched, enricher):
    summary = summarize(enriched, enricher)
    figures = dict(zip(*summary.figures().to_pydict().values(), strict=True))
    assert figures["reports"] == 64
    assert figures["additions per report"] == summary.additions_per_report
    for name in figures:
        assert name in str(summary)


def test_selected_rows_and_other_formats_are_counted_as_they_are(enriched, enricher):
    some = enriched.select([3, 1, 60]).with_format("numpy")
    assert (summarize(some, enricher).rows, summarize(some, enricher).rows_without_text) == (3, 1)


def test_a_csv_file_holds_additions_as_json_text(enriched, enricher):
    as_text = enriched.to_pandas()
    as_text["added_findings"] = [json.dumps(added) for added in enriched["added_findings"]]
    again = Dataset.from_pandas(as_text, preserve_index=False)
    assert summarize(again, enricher) == summarize(enriched, enricher)


def test_an_empty_dataset_has_empty_tables(enricher):
    features = Features({"findings": Value("string"), "impression": Value("string")})
    empty = Dataset.from_dict({"findings": [], "impression": []}, features=features)
    empty = empty.map(enricher, batched=True)
    assert summarize(empty, enricher).additions_per_report == 0.0
    tables = audit_tables(empty, enricher)
    assert [len(tables[name]) for name in ("refusals", "reports", "sample")] == [0, 0, 0]


def test_unusable_input_is_a_clear_error(reports, enriched, enricher):
    with pytest.raises(ValueError, match=r"'added_findings' not found; the columns are 'findings'"):
        summarize(reports, enricher)
    with pytest.raises(TypeError, match="choose a split"):
        summarize({"train": enriched}, enricher)


def test_counting_is_fast(enriched, enricher):
    many = enriched.select(list(range(60)) * 100)
    summarize(enriched, enricher)
    start = time.perf_counter()
    summarize(many, enricher)
    # About 20,000 a second; an embedding or a decision per report would be far slower.
    assert len(many) / (time.perf_counter() - start) > 3_000


def test_each_statement_is_added_or_refused_in_each_report(tables, enricher):
    statements = len(enricher.selection.candidates)
    for row in tables["reports"].to_pylist():
        considered = len(row["additions"]) + len(row["refused"])
        assert considered == (statements if row["row"] not in (60, 61, 62) else 0)


def test_refusals_are_those_that_the_selection_gives(tables, enricher, reports):
    row = tables["reports"].to_pylist()[0]
    context = {item["name"]: item["text"] for item in row["context"]}
    report = enricher.read_report(StudyTexts(row["text"], context))
    reasons = [decision.reason for decision in enricher.selection.consider(report)]
    assert [item["reason"] for item in row["refused"]] == [r for r in reasons if r is not None]


def test_reasons_are_counted_by_statement_and_by_report(tables):
    refused = [row["refused"] for row in tables["reports"].to_pylist()]
    rows = tables["refusals"].to_pylist()
    assert {row["reason"] for row in rows} >= {"redundant", "contradicts"}
    for row in rows:
        hits = [sum(item["reason"] == row["reason"] for item in report) for report in refused]
        assert (row["statements"], row["reports"]) == (sum(hits), sum(hit > 0 for hit in hits))


def test_what_a_guard_of_the_users_own_refused_is_named(reports, index):
    def refuse_all(proposals):
        return ["mine"] * len(proposals)

    enricher = SemEnricher(index, guards=[refuse_all])
    tables = audit_tables(reports.map(enricher, batched=True), enricher)
    assert Reason.LEFT_OUT in tables["refusals"]["reason"].to_pylist()


def test_additions_of_other_settings_are_counted(tables, enriched, index):
    name = "additions not explained by these settings"
    figures = dict(zip(*tables["figures"].to_pydict().values(), strict=True))
    assert figures[name] == 0
    other = audit_tables(enriched, SemEnricher(index, max_added=0))
    figures = dict(zip(*other["figures"].to_pydict().values(), strict=True))
    assert figures[name] == summarize(enriched, SemEnricher(index)).additions > 0


@pytest.mark.parametrize("preset", ["paper", "random"])
def test_presets_without_rules_refuse_nothing(reports, index, preset):
    enricher = SemEnricher(index, preset=preset, privacy_floor=False)
    tables = audit_tables(reports.map(enricher, batched=True), enricher)
    assert len(tables["refusals"]) == 0
    assert len(tables["reports"]) == 64


def test_random_strategy_is_decided_again_as_it_was(reports, index):
    enricher = SemEnricher(index, strategy="random", seed=3)
    tables = audit_tables(reports.map(enricher, batched=True), enricher)
    figures = dict(zip(*tables["figures"].to_pydict().values(), strict=True))
    assert figures["additions not explained by these settings"] == 0
    assert Reason.LEFT_OUT not in tables["refusals"]["reason"].to_pylist()


def test_reports_are_capped_by_a_seeded_draw(enriched, enricher):
    rows = [
        audit_tables(enriched, enricher, seed=seed, max_reports=20)["reports"]["row"].to_pylist()
        for seed in (0, 0, 1)
    ]
    assert rows[0] == rows[1] != rows[2]
    assert len(set(rows[0])) == 20


def test_reports_stand_as_they_were(tables, reports):
    rows = tables["reports"].to_pylist()
    # A text of white space is none.
    texts = [text if text and text.strip() else None for text in reports["findings"]]
    assert [row["text"] for row in rows] == texts
    assert None in texts
    assert [row["context"] for row in rows] == [
        [{"name": "impression", "text": text}] if text else [] for text in reports["impression"]
    ]
    for row in rows:
        abnormal = ("effusion." in (row["text"] or "")) and "left pleural" in row["text"]
        assert not abnormal or row["report_sign"] == "abnormal"
    assert rows[60]["report_sign"] is None


def test_sample_draws_each_addition_once(enriched, enricher):
    total = summarize(enriched, enricher).additions
    sample = audit_tables(enriched, enricher, sample_size=10_000)["sample"].to_pylist()
    drawn = {(item["row"], item["position"]) for item in sample}
    expected = {
        (row, position)
        for row, added in enumerate(enriched["added_findings"])
        for position in range(len(added))
    }
    assert drawn == expected
    assert len(sample) == total
    for item in sample:
        assert item["additions"] == enriched[item["row"]]["added_findings"]


def test_sample_favors_no_report(enriched, enricher):
    """Over many seeds each addition is drawn about as often as any other."""
    counts = {}
    for seed in range(60):
        sample = audit_tables(enriched, enricher, seed=seed, max_reports=0, sample_size=20)
        for item in sample["sample"].select(["row", "position"]).to_pylist():
            key = (item["row"], item["position"])
            counts[key] = counts.get(key, 0) + 1
    total = summarize(enriched, enricher).additions
    assert sum(counts.values()) == 60 * 20
    assert max(counts.values()) < 6 * 60 * 20 / total


def test_rare_wordings_are_shown_nowhere_outside_the_reports(tables, index, enriched, enricher):
    texts = travelling_texts(index.sentences, index.unit_table.num_rows)
    assert None in texts
    shown = tables["units"].select(["unit_id", "text"]).to_pylist()
    assert shown == [
        {"unit_id": unit, "text": texts[unit]} for unit in tables["units"]["unit_id"].to_pylist()
    ]
    columns = index.sentences.select(["rebuilt", "holders"]).to_pydict()
    holders = dict(zip(columns["rebuilt"], columns["holders"], strict=True))
    assert all(holders[text] >= 3 for text in texts if text is not None)
    card = dataset_card(enriched, enricher)
    assert not any(text in card for text in RARE)


def test_unit_sizes_count_each_unit_once(index):
    sizes = unit_sizes(index).to_pylist()
    held = index.unit_table["support"].to_numpy()
    for row in sizes:
        inside = ((held >= row["low"]) & (held <= row["high"])).sum()
        assert row["normal"] + row["abnormal"] + row["neutral"] == inside
    assert sum(row["normal"] + row["abnormal"] + row["neutral"] for row in sizes) == len(held)


def test_units_shown_are_common_or_added_from(tables, index):
    rows = tables["units"].to_pylist()
    support = index.unit_table["support"].to_pylist()
    assert [row["unit_id"] for row in rows] == [
        unit for unit, reports in enumerate(support) if reports >= 3
    ]
    assert len(rows) < len(support)
    assert [row["support"] for row in rows] == [support[row["unit_id"]] for row in rows]


def test_pairs_and_additions_of_units(tables, index):
    counts = index.cooccurrence.toarray()
    held = index.unit_table["support"].to_numpy()
    for pair in tables["cooccurrence"].to_pylist():
        together = counts[pair["unit_a"], pair["unit_b"]]
        assert pair["reports"] == together > 0
        assert pair["share"] == together / held[pair["unit_a"]]
    common = np.flatnonzero(held >= 3)
    assert len(common) <= 24
    assert len(tables["cooccurrence"]) == np.count_nonzero(counts[common][:, common])
    total = sum(len(row["additions"]) for row in tables["reports"].to_pylist())
    assert sum(tables["units"]["additions"].to_pylist()) == total


def test_card_tells_how_it_was_made(enriched, enricher, index):
    card = dataset_card(enriched, enricher)
    summary = summarize(enriched, enricher)
    assert f"| additions | {summary.additions} |" in card
    assert index.digest in card
    assert "`findings` and `impression`" in card
    assert "2604.09887" in card
    assert "for comparison" not in card
    assert "for comparison" in dataset_card(enriched, SemEnricher(index, preset="paper"))
