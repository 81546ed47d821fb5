"""Reports as prompt and completion, and back."""

import pickle

import pytest
import torch
from datasets import Dataset, Image
from datasets.fingerprint import Hasher
from fakes import build_index, made_up_reports
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as PILImage
from torch.utils.data import DataLoader

from semenrich_datasets import SemEnricher
from semenrich_trainers.formatting import (
    ParsedReport,
    ReportFormatter,
    completion_text,
    parse_report,
)

TAGS = ["<think>", "</think>", "<answer>", "</answer>", "<THINK>", "<think", "think>", "</", "<"]
texts = st.lists(st.sampled_from([*TAGS, " ", "\n", "No effusion."]) | st.text()).map("".join)


@pytest.mark.parametrize(
    ("text", "findings", "impression", "well_formed"),
    [
        ("<think> a </think><answer> b </answer>", "a", "b", True),
        ("\n<Think>a\nc</think>\n<answer>b</ANSWER> ", "a\nc", "b", True),
        ("<think></think><answer></answer>", "", "", True),
        ("", "", "", False),
        ("a", "a", "", False),
        ("<think>a</think>", "a", "", False),
        ("<answer>b</answer>", "", "b", False),
        ("a</think><answer>b</answer>", "a", "b", False),
        ("<think>a<answer>b", "a", "b", False),
        ("<answer>b</answer><think>a</think>", "a", "b", False),
        ("x<think>a</think><answer>b</answer>", "a", "b", False),
        ("<think>a</think>x<answer>b</answer>", "a", "b", False),
        ("<think>a</think><answer>b</answer>x", "a", "b", False),
        ("<think>a<answer>b</answer>x</think>", "a", "b", False),
        ("<think>a<think>c</think></think><answer>b</answer>", "a c", "b", False),
        ("<think>a</think><answer>b</answer><answer>c</answer>", "a", "b c", False),
        ("</answer>a<think", "", "", False),
    ],
)
def test_a_report_is_read(text: str, findings: str, impression: str, well_formed: bool) -> None:
    assert parse_report(text) == ParsedReport(findings, impression, well_formed)


@given(texts)
def test_any_text_is_read(text: str) -> None:
    report = parse_report(text)
    for section in (report.findings, report.impression):
        assert section == section.strip()
        assert "<think>" not in section
        assert "</answer>" not in section
    if report.well_formed:
        assert text.lower().count("<think>") == text.lower().count("</answer>") == 1


@given(texts, texts)
def test_what_was_written_is_read_back(findings: str, impression: str) -> None:
    row = ReportFormatter()({"findings": findings, "impression": impression})
    report = parse_report(completion_text(row["completion"]))
    assert report.well_formed
    if not any(tag in (findings + impression).lower() for tag in TAGS[:4]):
        assert report == ParsedReport(findings.strip(), impression.strip(), True)


def test_the_text_of_a_completion() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "image"}, {"type": "text", "text": "b"}]
    assert completion_text("ab") == "ab"
    assert completion_text([{"role": "assistant", "content": "ab"}]) == "ab"
    assert completion_text([{"role": "assistant", "content": parts}]) == "ab"
    assert completion_text([{"role": "assistant", "content": None}, {"role": "tool"}]) == ""
    assert completion_text([]) == ""


ROWS = {
    "findings": ["Clear lungs.", None],
    "enriched_findings": ["Clear lungs. No effusion.", None],
    "impression": ["Normal.", "Effusion."],
}


def test_one_row_and_a_batch_give_the_same() -> None:
    formatter = ReportFormatter("enriched_findings", prompt="Report.")
    dataset = Dataset.from_dict(ROWS)
    batched, single = dataset.map(formatter, batched=True), dataset.map(formatter)
    assert batched.column_names == [*ROWS, "prompt", "completion"]
    assert batched[:] == single[:] == dataset.with_transform(formatter)[:]
    assert list(dataset.to_iterable_dataset().map(formatter)) == list(batched)
    assert batched[0]["prompt"] == [{"role": "user", "content": "Report."}]
    assert [row[0]["content"] for row in batched["completion"]] == [
        "<think> Clear lungs. No effusion. </think><answer> Normal. </answer>",
        "<think>  </think><answer> Effusion. </answer>",
    ]


def test_images_are_kept_and_map_does_not_decode_them() -> None:
    broken = {"bytes": b"no image", "path": None}
    broken_rows = Dataset.from_dict({**ROWS, "image": [broken] * 2}).cast_column("image", Image())
    mapped = broken_rows.map(ReportFormatter(), batched=True)
    assert mapped.cast_column("image", Image(decode=False))[0]["image"] == broken
    rows = Dataset.from_dict({**ROWS, "image": [PILImage.new("L", (4, 4))] * 2})
    assert rows.with_transform(ReportFormatter())[0]["image"].size == (4, 4)


def test_missing_columns_are_named() -> None:
    with pytest.raises(ValueError, match=r"'conclusion' not found.*impression_column="):
        ReportFormatter(impression_column="conclusion")(ROWS)
    with pytest.raises(ValueError, match=r"'text' not found.*findings_column="):
        ReportFormatter("text")(ROWS)


def test_it_pickles_and_has_a_fixed_fingerprint() -> None:
    formatter = ReportFormatter("enriched_findings")
    assert pickle.loads(pickle.dumps(formatter)) == formatter
    assert Hasher.hash(formatter) == Hasher.hash(ReportFormatter("enriched_findings"))
    assert Hasher.hash(formatter) != Hasher.hash(ReportFormatter())


@pytest.fixture(scope="module")
def enricher() -> SemEnricher:
    return SemEnricher(build_index(), preset="paper")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("semenrich_datasets.enrich.enricher.version", lambda _: "1000.0"),
        ("semenrich_datasets.reading.reader.GRAMMAR_VERSION", -1),
    ],
)
def test_its_fingerprint_tells_all_that_its_enricher_depends_on(
    enricher: SemEnricher, monkeypatch: pytest.MonkeyPatch, name: str, value: object
) -> None:
    formatter = ReportFormatter("enriched_findings", enricher=enricher)
    index, before = Hasher.hash(enricher.index), Hasher.hash(formatter)
    with monkeypatch.context() as patch:
        patch.setattr(name, value)
        # An index keeps what it was built with; that of the process is the enricher's to tell.
        assert Hasher.hash(enricher.index) == index
        assert Hasher.hash(formatter) != before
    assert Hasher.hash(formatter) == before


def epoch(rows: Dataset, enricher: SemEnricher, workers: int = 0) -> list[str]:
    fresh = rows.with_transform(ReportFormatter("enriched_findings", enricher=enricher))
    loader = DataLoader(fresh, 4, num_workers=workers, collate_fn=list)
    return [completion_text(row["completion"]) for batch in loader for row in batch]


@pytest.mark.parametrize("workers", [0, 2])
def test_each_epoch_sees_a_fresh_variant(enricher: SemEnricher, workers: int) -> None:
    rows = Dataset.from_list(made_up_reports()[:16])
    torch.manual_seed(0)
    first, second = epoch(rows, enricher, workers), epoch(rows, enricher, workers)
    assert first != second
    torch.manual_seed(0)
    assert epoch(rows, enricher, workers) == first
    for row, completion in zip(rows, first, strict=True):
        assert parse_report(completion).findings.startswith(row["findings"].rstrip("."))


def test_variants_share_what_is_fitted(enricher: SemEnricher) -> None:
    before = Hasher.hash(enricher)
    variants = [enricher.with_variant(variant) for variant in range(3)]
    assert [one.variant for one in variants] == [0, 1, 2]
    assert all(one.index is enricher.index for one in variants)
    assert all(one.selection.graph is enricher.selection.graph for one in variants)
    assert Hasher.hash(enricher) == before


def test_an_enriched_row_keeps_its_columns(enricher: SemEnricher) -> None:
    row = {"findings": "The lungs are clear.", "impression": "Normal.", "image": "pixels"}
    formatted = ReportFormatter("enriched_findings", enricher=enricher)(row)
    assert {*row, "enriched_findings", "added_findings"} < set(formatted)
    assert formatted["image"] == "pixels"
    report = parse_report(completion_text(formatted["completion"]))
    assert report.findings == formatted["enriched_findings"]


def test_the_findings_column_is_the_enrichers(enricher: SemEnricher) -> None:
    with pytest.raises(ValueError, match="'enriched_findings', found 'findings'"):
        ReportFormatter(enricher=enricher)
