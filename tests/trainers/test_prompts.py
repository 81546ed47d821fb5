"""Prompts filled from columns."""

import math

import pytest
from datasets import Dataset

from semenrich_trainers import ReportFormatter
from semenrich_trainers.prompts import fill_prompt, placeholders

TEMPLATE = "Report this chest X-ray. Indication: {indication}\nBefore: {prior_findings}\nBe brief."


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (
            {"indication": "Cough.", "prior_findings": "Clear. No {effusion}."},
            "Report this chest X-ray. Indication: Cough.\nBefore: Clear. No {effusion}.\nBe brief.",
        ),
        (
            {"indication": None, "prior_findings": "A"},
            "Report this chest X-ray.\nBefore: A\nBe brief.",
        ),
        (
            {"indication": 63, "prior_findings": " \n"},
            "Report this chest X-ray. Indication: 63\nBe brief.",
        ),
        ({"indication": math.nan, "prior_findings": ""}, "Report this chest X-ray.\nBe brief."),
        (
            {"indication": "{prior_findings}\\1", "prior_findings": "B"},
            "Report this chest X-ray. Indication: {prior_findings}\\1\nBefore: B\nBe brief.",
        ),
    ],
)
def test_a_prompt_is_filled_and_what_has_no_value_left_out(row, expected):
    assert fill_prompt(TEMPLATE, row) == expected


def test_a_first_sentence_may_be_left_out_and_other_braces_are_text():
    template = 'Age {age}, {sex}. Answer as {"findings": ""} or {}.'
    assert placeholders(template) == ["age", "sex"]
    filled = 'Age 4, F. Answer as {"findings": ""} or {}.'
    assert fill_prompt(template, {"age": 4, "sex": "F"}) == filled
    assert fill_prompt(template, {"age": 4, "sex": None}) == 'Answer as {"findings": ""} or {}.'
    assert fill_prompt("No placeholder {", {}) == "No placeholder {"


def test_missing_columns_and_prompts_of_placeholders_alone_are_named():
    with pytest.raises(ValueError, match=r"'indication' not found.*prompt="):
        fill_prompt(TEMPLATE, {"findings": "a"})
    with pytest.raises(ValueError, match="one whose column has no value is left out"):
        ReportFormatter(prompt="Indication: {indication}.\n{prior_findings}")


def test_rows_get_prompts_of_their_own():
    rows = Dataset.from_dict(
        {
            "findings": ["a", "b"],
            "impression": ["c", "d"],
            "indication": ["Cough.", None],
            "prior_findings": [None, "Clear."],
        }
    )
    formatter = ReportFormatter(prompt=TEMPLATE)
    batched, single = rows.map(formatter, batched=True), rows.map(formatter)
    assert batched[:] == single[:] == rows.with_transform(formatter)[:]
    assert [one[0]["content"] for one in batched["prompt"]] == [
        "Report this chest X-ray. Indication: Cough.\nBe brief.",
        "Report this chest X-ray.\nBefore: Clear.\nBe brief.",
    ]
    with pytest.raises(ValueError, match=r"'prior_findings' not found"):
        rows.remove_columns("prior_findings").map(formatter, batched=True)
