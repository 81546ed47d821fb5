"""A whole report to its sections, and a cell of a dataset to its text."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from semenrich_datasets.columns.sections import cut_sections, text_of


def test_headings_on_lines_of_their_own():
    report = (
        "FINAL REPORT\nEXAMINATION: CHEST\nREASON FOR EXAM: Dyspnea.\nCOMPARISON:  None.\n\n"
        "FINDINGS:\nHeart: Enlarged.\nLungs: Clear.\n\nIMPRESSION\n1. Cardiomegaly.\r\n"
    )
    assert cut_sections(report) == {
        "": "FINAL REPORT",
        "exam": "CHEST",
        "indication": "Dyspnea.",
        "comparison": "None.",
        "findings": "Heart: Enlarged.\nLungs: Clear.",
        "impression": "1. Cardiomegaly.",
    }


@pytest.mark.parametrize(
    "report",
    [
        "Indication: Cough. Comparison: None. Findings: Clear lungs. Impression: Normal.",
        "history: Cough. findings: Clear lungs. conclusion: Normal.",
        "HISTORY: Cough. TECHNIQUE: PA.FINDINGS: Clear lungs.IMPRESSION: Normal.",
        "CHEST 2 VIEWS HISTORY: Cough. FINDINGS: Clear lungs. IMPRESSION: Normal.",
        "## Clinical Information:\nCough.\n**FINDINGS:** Clear lungs.\n**Conclusions:** Normal.",
        "CLINICAL HISTORY : Cough.\nFINDINGS :\nClear lungs.\nIMPRESSION :\nNormal.",
    ],
)
def test_headings_in_their_many_forms(report):
    sections = cut_sections(report)
    assert (sections["indication"], sections["findings"]) == ("Cough.", "Clear lungs.")
    assert sections["impression"] == "Normal."


def test_impression_without_a_stop_before_it_is_cut():
    assert cut_sections("FINDINGS: No effusion IMPRESSION: Mass") == {
        "findings": "No effusion",
        "impression": "Mass",
    }


def test_words_of_the_findings_are_no_headings():
    text = "Comparison is limited. No significant findings. Technique: poor. Lungs: clear."
    assert cut_sections(f"FINDINGS: {text}") == {"findings": text}


def test_section_that_comes_twice_is_joined():
    report = "FINDINGS: Clear.\nADDENDUM: Small effusion.\nFINDINGS: Heart normal."
    assert cut_sections(report) == {
        "findings": "Clear.\nHeart normal.",
        "addendum": "Small effusion.",
    }


def test_text_without_headings_is_kept_whole():
    assert cut_sections(" Clear lungs. ") == {"": "Clear lungs."}
    assert cut_sections("derrame pleural .\ncardiomegalia .") == {
        "": "derrame pleural .\ncardiomegalia ."
    }


def test_an_empty_section_is_kept_as_such():
    assert cut_sections("FINDINGS:\nIMPRESSION: Mass.") == {"findings": "", "impression": "Mass."}


def test_findings_and_impression_in_one_section():
    report = "FINDINGS/IMPRESSION: Mass. No effusion."
    assert cut_sections(report) == {"findings": "Mass. No effusion."}


@given(st.text("Ab: .\n;1é", max_size=80))
def test_findings_lose_no_character(text):
    sections = cut_sections(f"HISTORY: Cough.\nFINDINGS:\n{text}\nIMPRESSION: Normal.")
    assert sections["findings"] == text.strip()
    assert sections["impression"] == "Normal."


@pytest.mark.parametrize("value", [None, float("nan"), 3, "", " \n", [], [None], ["", " "]])
def test_no_text(value):
    assert text_of(value) is None


@pytest.mark.parametrize("value", [{}, {"text": "Clear."}, b"Clear.", [{"role": "user"}]])
def test_what_holds_text_and_is_none_is_refused(value):
    with pytest.raises(ValueError, match="take the text out"):
        text_of(value)


def test_lists_of_sentences_are_joined():
    assert text_of(["No effusion", "lungs clear."]) == "No effusion. Lungs clear."
    assert text_of(np.array(["No effusion", None], dtype=object)) == "No effusion"
    assert text_of(" as it  is ") == " as it  is "
