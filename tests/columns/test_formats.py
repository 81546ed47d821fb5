"""Files of the shapes in which the field's datasets come, enriched without a flag."""

from pathlib import Path

import pytest
from fakes import FakeEncoder, build_index

from semenrich_datasets import FindingsIndex, SemEnricher
from semenrich_datasets.audit import summarize
from semenrich_datasets.columns import find_columns, iterate_studies, read_texts
from semenrich_datasets.enrich.facts import refusal
from semenrich_datasets.report_files import load_reports

FORMATS = Path(__file__).resolve().parents[3] / "shared" / "cases" / "formats"
pytestmark = pytest.mark.skipif(
    not FORMATS.is_dir(), reason=f"the example files are not beside this checkout: {FORMATS}"
)

STUDIES = [
    "The heart is normal in size.",
    "No pleural effusion. Small nodule in the left upper lobe.",
    "The lungs are clear.",
    "Heart: Enlarged. Lungs: Clear.",
]
IMPRESSION = "Large right pneumothorax. Large left pleural effusion."
# With findings, an impression and four studies; in the last each study has two rows.
COMPLETE = [
    "rexgradient.csv",
    "rexgradient_view_position.json",
    "rexrank.json",
    "sentence_lists.jsonl",
    "srrg.csv",
    "whole_reports.csv",
    "ct_rate.csv",
]


@pytest.fixture(scope="module")
def index():
    return build_index()


def load(name):
    return load_reports(str(FORMATS / name))


def read(name):
    reports = load(name)
    return reports, read_texts(reports[:], find_columns(reports.column_names))


def enrich(index, name):
    """The enriched rows, and the sentences added to each."""
    enriched = load(name).map(SemEnricher(index), batched=True)
    return enriched, [[a["sentence"] for a in row] for row in enriched["added_findings"]]


# Findings, impression and indication are found


@pytest.mark.parametrize("name", COMPLETE)
def test_findings_and_impression_of_complete_files(name):
    reports, texts = read(name)
    assert [study.findings for study in iterate_studies(reports)[1]] == STUDIES
    assert IMPRESSION in " ".join(texts[0].context.values())


@pytest.mark.parametrize("name", [name for name in COMPLETE if name != "sentence_lists.jsonl"])
def test_the_indication_is_the_history(name):
    _, texts = read(name)
    assert [text.removeprefix("Indication: ") for text in texts[0].history.values()] == ["Dyspnea."]
    assert "Dyspnea." not in texts[0].context.values()


def test_chexpert_plus_lacks_the_findings_of_its_first_study():
    reports, texts = read("chexpert_plus.csv")
    expected = [None, *(text.upper() for text in STUDIES[1:])]
    assert [study.findings for study in iterate_studies(reports)[1]] == expected
    assert [text.findings for text in texts[::2]] == expected
    assert IMPRESSION.upper() in texts[0].context.values()


def test_mimic_keeps_its_blanks():
    _, texts = read("mimic_sectioned.csv")
    assert texts[0].findings == "The heart ___ is normal in size."
    assert list(texts[0].context.values()) == [IMPRESSION]


# Four studies are four reports, whatever the number of their images


@pytest.mark.parametrize("name", ["chexpert_plus.csv", "ct_rate.csv"])
def test_eight_rows_are_four_studies(name):
    reports, _ = read(name)
    assert len(reports) == 8
    built = FindingsIndex.build(
        reports, embedder=FakeEncoder(), clustering="dbscan", show_progress=False
    )
    assert built.config.reports + built.config.reports_without_text == 4
    assert built.config.reports_without_text == (name == "chexpert_plus.csv")
    clear = built.lookup["the lungs are clear"]
    assert built.sentences.column("reports")[clear].as_py() == 1


# Nothing that is added denies what the impression says


@pytest.mark.parametrize("name", COMPLETE)
def test_nothing_added_denies_the_impression(index, name):
    enriched, added = enrich(index, name)
    first, others = added[0], added[-1]
    assert not [s for s in first if "effusion" in s or "pneumothorax" in s]
    assert all(refusal(s, IMPRESSION) is None for s in first)
    # It is the impression alone that keeps them out. A pneumothorax puts the bones at issue too.
    assert not any("bony" in s for s in first)
    assert any("pneumothorax" in s for s in others)
    assert any("bony" in s for s in others)
    assert enriched[0]["enriched_findings"] == " ".join([STUDIES[0], *first])


def test_without_the_impression_it_would_be_denied(index):
    reports, _ = read("rexgradient.csv")
    alone = reports.map(SemEnricher(index, context_columns=[]), batched=True)
    first = [a["sentence"] for a in alone[0]["added_findings"]]
    assert [s for s in first if "effusion" in s]
    assert [s for s in first if "pneumothorax" in s]


def test_no_findings_get_none(index):
    enriched, added = enrich(index, "chexpert_plus.csv")
    assert enriched["enriched_findings"][:2] == [None, None]
    assert added[:2] == [[], []]
    assert all(added[2:])


def test_blanks_get_nothing_that_the_impression_contradicts(index):
    enriched, added = enrich(index, "mimic_sectioned.csv")
    assert not [s for s in added[0] if "effusion" in s or "pneumothorax" in s]
    assert enriched[0]["enriched_findings"].startswith("The heart ___ is normal in size.")
    assert all(added[1:])


def test_the_history_binds_too(index):
    """The last study's indication is an edema: its lungs are clear, but nobody denies it."""
    _, added = enrich(index, "rexgradient.csv")
    assert not [s for s in added[3] if "effusion" in s.lower()]
    _, plain = enrich(index, "sentence_lists.jsonl")
    assert [s for s in plain[3] if "effusion" in s.lower()]


# Other encodings


@pytest.mark.parametrize(
    ("name", "findings"),
    [
        ("utf16.csv", [STUDIES[0]]),
        ("windows_cp1252.csv", ["Réticulation at the bases – mild.", STUDIES[0]]),
    ],
)
def test_other_encodings(index, name, findings):
    enriched, added = enrich(index, name)
    assert [text.findings for text in read(name)[1]] == findings
    assert added[-1]
    assert enriched[len(findings) - 1]["enriched_findings"].startswith(STUDIES[0])
    assert len(enriched) == len(findings)


# What is refused says why


def test_spanish_gets_nothing_and_the_reason_is_said(index):
    enriched, added = enrich(index, "padchest.csv")
    assert added == [[], []]
    assert enriched["enriched_findings"][:] == enriched["Report"][:]
    summary = summarize(enriched, SemEnricher(index))
    assert summary.rows_refused == {"other_language": 2}
    assert "other_language" in str(summary)


def test_impressions_only_is_said_plainly(index):
    with pytest.raises(
        ValueError, match=r"no column of findings.*'Impression' is an impression"
    ) as caught:
        enrich(index, "impressions_only.csv")
    assert "\n" not in str(caught.value)
    assert "text_column=" in str(caught.value)
    with pytest.raises(ValueError, match="no column of findings"):
        FindingsIndex.build(load("impressions_only.csv"), embedder=FakeEncoder())


def test_a_broken_line_is_named():
    with pytest.raises(ValueError, match=r"broken_line\.jsonl, line 2: broken JSON") as caught:
        load("broken_line.jsonl")
    assert "\n" not in str(caught.value)
