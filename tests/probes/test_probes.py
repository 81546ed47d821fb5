"""How seldom the reader takes what is stated for a denial: bars over many made-up sentences.

A bar is a number that a reader of this kind must keep, not the best that it can do: who makes it
better lowers the bar.
"""

import json
from collections import Counter
from pathlib import Path

import pytest
from probes import probes

from semenrich_datasets.enrich.facts import refusal
from semenrich_datasets.reading import Reader
from semenrich_datasets.sentences import split_sentences

# Those that the grammar was written with, and two sets that others wrote without seeing it.
TEMPLATES = [
    Path(__file__).with_name(f"{name}.toml") for name in ("templates", "unseen_1", "unseen_2")
]
CASES = Path(__file__).resolve().parents[3] / "shared" / "cases" / "sentences_dev.jsonl"

# Of a thousand.
WRONGLY_NORMAL = 2
LET_THROUGH = 5
DENIALS_READ = 920
# Of the cases written by hand: unsafe; wrong where it does no harm; refused for another reason.
UNSAFE = 2
MISREAD = 13
OTHER_REASON = 6


@pytest.fixture(scope="module")
def reader():
    return Reader()


@pytest.fixture(scope="module", params=TEMPLATES, ids=lambda file: file.stem)
def made(request):
    return probes(request.param)


def sign_of(reader, text):
    """What a text says of health, as that of the sentence that says the worst of it."""
    signs = {reader.read(sentence).sign for sentence in split_sentences(text)}
    return next((sign for sign in ("abnormal", "normal") if sign in signs), "neutral")


def told(wrong):
    """The wrong ones by their kinds, for whoever reads the failure."""
    kinds = Counter(probe.get("kind", "") for probe in wrong).most_common()
    return f"{len(wrong)}: {kinds}\n" + "\n".join(probe["sentence"] for probe in wrong[:40])


def test_there_are_probes_of_every_kind(made):
    assert len(made) > 700
    assert {"refuse", "redundant_or_refuse"} <= {probe["denial"] for probe in made}
    assert len({probe["kind"] for probe in made}) > 10


def test_what_is_stated_is_seldom_called_normal(reader, made):
    asked = [probe for probe in made if "normal" not in probe["signs"]]
    wrong = [probe for probe in asked if sign_of(reader, probe["sentence"]) == "normal"]
    assert len(wrong) <= WRONGLY_NORMAL * len(asked) / 1_000, told(wrong)


def test_what_is_stated_is_seldom_denied(reader, made):
    asked = [probe for probe in made if probe["denial"] == "refuse"]
    wrong = [
        probe for probe in asked if refusal(probe["add"], probe["sentence"], lexicon=reader) is None
    ]
    assert len(wrong) <= LET_THROUGH * len(asked) / 1_000, told(wrong)


def test_denials_are_read_as_denials(reader, made):
    """A reader that refused everything would keep the other bars."""
    asked = [
        probe
        for probe in made
        if probe["denial"] == "redundant_or_refuse" and probe["signs"] == ["normal"]
    ]
    wrong = [probe for probe in asked if sign_of(reader, probe["sentence"]) != "normal"]
    assert len(asked) - len(wrong) >= DENIALS_READ * len(asked) / 1_000, told(wrong)


@pytest.mark.skipif(
    not CASES.is_file(), reason=f"the hand-written cases are not beside this checkout: {CASES}"
)
def test_cases_written_by_hand(reader):
    """Unsafe: normal where it may not be, or let through. Else what is wrong does no harm."""
    unsafe, misread, other_reason = [], [], []
    for case in map(json.loads, CASES.read_text(encoding="utf-8").strip().split("\n")):
        sign, signs = sign_of(reader, case["sentence"]), case["sign_may_be"]
        answers = [
            (refusal(one["add"], case["sentence"], lexicon=reader), one["refusal_may_be"])
            for one in case["proposals"]
        ]
        wrong = [(found, may) for found, may in answers if found not in may]
        if (sign == "normal" and sign not in signs) or any(found is None for found, _ in wrong):
            unsafe.append(case)
        elif sign not in signs or any(may == [None] for _, may in wrong):
            misread.append(case)
        elif wrong:
            other_reason.append(case)
    assert len(unsafe) <= UNSAFE, told(unsafe)
    assert len(misread) <= MISREAD, told(misread)
    assert len(other_reason) <= OTHER_REASON, told(other_reason)
