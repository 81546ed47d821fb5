"""Authors with habits: what they leave unsaid is known, and nothing else of the truth changes."""

import hashlib
import json
import re
from collections import Counter
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semenrich_datasets.phantom import (
    Statement,
    is_true,
    load_phantom,
    omitted_normals,
    statements,
)
from semenrich_datasets.phantom.grammar import OTHERS, rules, sentence_index
from semenrich_datasets.phantom.habits import LIMITS
from semenrich_datasets.phantom.hospitals import HOSPITALS, staff
from semenrich_datasets.phantom.indications import REASONS, reasons
from semenrich_datasets.phantom.silences import SHARES, draw_silence, odds, unsaid_rates
from semenrich_datasets.phantom.truth import (
    CONTEXT,
    FINDINGS,
    HEDGE,
    HEDGED,
    NORMALS,
    PRIOR,
    facts,
    normal_statements,
    sample_state,
)

# SHA-256 of the texts and images of 2,000 and 40 studies, seed 3, by the code before habits.
FIRST_FORM = {
    "findings": "77ec0b217b4c8c3261d20a73a2cbc82b0339af1c328198959155b31528d9a244",
    "impression": "0c67f31f95591ad920caded15ed256da159af53fb1bc2c0372f40d0bdb7e8e83",
    "complete_findings": "ad25db6ced63b1fb56f0e022a175f15ee3be578db67d2a8661f468fa334faa45",
    "truth": "0908c8cd8cdc4122cd8dbfd8eff187cb9e23ca3f7d0794c330749233d034ed1c",
}
FIRST_IMAGES = "70166ef5173051bdebce412bb5980a6263ee0c2b4710846d4284e21ac8058586"


def split(text):
    text = re.sub(r"(^|\s)\d\.\s", r"\1", text)
    return [sentence for sentence in re.split(r"(?<=\.)\s+", text) if sentence]


def claims(text):
    return [one for sentence in split(text) for one in statements(sentence)]


def found_in(rows):
    return [Statement(**one) for one in rows]


def abnormal(row):
    return [one for one in found_in(row["truth"]) if one != PRIOR]


@pytest.fixture(scope="module")
def studies():
    return load_phantom(n=4000, seed=11, images=False).to_list()


@pytest.fixture(scope="module")
def many_unsaid():
    """Both kinds of author at a rate that brings out every silence."""
    rows = load_phantom(n=1500, seed=2, images=False, unsaid=0.4).to_list()
    return rows + load_phantom(n=1500, seed=3, images=False, unsaid=0.4, habits="plain").to_list()


def test_the_first_form_is_there_to_the_byte():
    rows = load_phantom(2000, seed=3, images=False, unsaid=0.0, habits="plain")
    for column, digest in FIRST_FORM.items():
        text = json.dumps(list(rows[column]), sort_keys=True)
        assert hashlib.sha256(text.encode()).hexdigest() == digest, column
    assert not any(rows["unsaid"])


@pytest.mark.parametrize("options", [{}, {"unsaid": 0.0, "habits": "plain"}, {"unsaid": 0.5}])
def test_images_and_truth_depend_on_seed_and_row_alone(options):
    rows = load_phantom(40, seed=3, **options)
    pixels = hashlib.sha256(b"".join(image.tobytes() for image in rows["image"]))
    assert pixels.hexdigest() == FIRST_IMAGES
    assert list(rows["truth"]) == list(load_phantom(40, seed=3, images=False)["truth"])


def test_the_same_study_is_written_the_same():
    rows = load_phantom(30, seed=8, images=False)
    assert rows[:12] == load_phantom(12, seed=8, images=False)[:]
    assert rows["findings"] != load_phantom(30, seed=9, images=False)["findings"]


@pytest.mark.parametrize("habits", ["varied", "plain"])
@pytest.mark.parametrize("rate", [0.02, 0.05, 0.3, 0.9])
def test_as_much_is_unsaid_as_is_asked_for(rate, habits):
    rows = load_phantom(4000, seed=21, images=False, unsaid=rate, habits=habits).to_list()
    count = sum(len(abnormal(row)) for row in rows)
    unsaid = sum(len(row["unsaid"]) for row in rows)
    # Both sides of a finding go together: 1.3 times the error of single draws.
    assert abs(unsaid / count - rate) < 3 * 1.3 * (rate * (1 - rate) / count) ** 0.5


def test_what_is_small_is_left_unsaid_more_often():
    counts, unsaid = Counter(), Counter()
    for number in range(15_000):
        state = sample_state(Random(f"silence {number}"))
        found = tuple(one for one in state if one != PRIOR)
        silence = draw_silence(found, 0.4, Random(f"unsaid {number}"))
        counts.update(odds(one) for one in found)
        unsaid.update(odds(one) for one in found if one.name in silence.unsaid)
    rates = {kind: unsaid[kind] / counts[kind] for kind in SHARES}
    assert rates == pytest.approx(unsaid_rates(0.4), abs=0.03)
    for kind, share in SHARES.items():
        assert counts[kind] / counts.total() == pytest.approx(share, abs=0.01)
    usual = unsaid_rates(0.05)
    assert usual[2.0] / usual[1.0] == pytest.approx(2, abs=0.1)
    assert usual[0.3] / usual[1.0] == pytest.approx(0.3, abs=0.02)


def test_a_higher_rate_leaves_the_same_unsaid_and_more():
    few, many = (load_phantom(300, images=False, unsaid=rate)["unsaid"] for rate in (0.1, 0.3))
    assert all(
        {one["name"] for one in less} <= {one["name"] for one in more}
        for less, more in zip(few, many, strict=True)
    )


@pytest.mark.parametrize("corpus", ["studies", "many_unsaid"])
def test_every_sentence_is_known_and_only_what_is_overlooked_is_denied(corpus, request):
    for row in request.getfixturevalue(corpus):
        denied = set()
        for one in claims(row["findings"]) + claims(row["impression"]):
            if not is_true(one, row["truth"]):
                assert one.sign == "normal", (one, row)
                denied |= NORMALS[one].excludes & facts(tuple(abnormal(row)))
        overlooked = found_in(row["overlooked"])
        assert denied == facts(tuple(overlooked)), row


@pytest.mark.parametrize("corpus", ["studies", "many_unsaid"])
def test_a_finding_is_stated_hedged_or_unsaid(corpus, request):
    for row in request.getfixturevalue(corpus):
        said = claims(row["findings"]) + claims(row["impression"])
        stated = {one.name for one in said if one.sign == "abnormal"}
        possible = {one.name.removeprefix(HEDGE) for one in said if one.name.startswith(HEDGE)}
        unsaid, hedged = (
            {one["name"] for one in row.get(column, ())} for column in ("unsaid", "hedged")
        )
        present = {one.name for one in abnormal(row)}
        assert stated == present - unsaid - hedged, row
        assert hedged == possible & present, row
        assert row["findings"]
        assert row["impression"]


def test_of_what_is_passed_over_nothing_normal_is_said(many_unsaid):
    seen = 0
    for row in many_unsaid:
        if not row["overlooked"]:
            topics = {one.topic for one in found_in(row["unsaid"])}
            normal = {one.topic for one in claims(row["findings"]) if one.sign == "normal"}
            assert not topics & normal, row
            seen += bool(topics)
    assert seen > 300


def test_few_of_the_unsaid_are_overlooked(studies, many_unsaid):
    for rows in (studies, many_unsaid):
        unsaid = sum(len(row["unsaid"]) for row in rows)
        assert 0.07 < sum(len(row["overlooked"]) for row in rows) / unsaid < 0.17
    names = {one["name"] for row in many_unsaid for one in row["unsaid"]}
    assert names == set(FINDINGS), "devices too"


@pytest.mark.parametrize("corpus", ["studies", "many_unsaid"])
def test_complete_findings_are_true_and_complete(corpus, request):
    for row in request.getfixturevalue(corpus):
        complete = claims(row["complete_findings"])
        assert all(is_true(one, row["truth"]) for one in complete), row
        assert not any(one.name.startswith(HEDGE) or one.name in LIMITS for one in complete)
        assert {one.name for one in abnormal(row)} <= {one.name for one in complete}, row
        state = tuple(found_in(row["truth"]))
        assert set(normal_statements(state)) <= set(complete), row
        kept = {
            sentence
            for sentence in split(row["findings"])
            if all(
                is_true(one, row["truth"]) and one.name not in LIMITS and HEDGE not in one.name
                for one in statements(sentence)
            )
        }
        assert kept <= set(split(row["complete_findings"])), row


def test_omitted_normals_are_true_however_much_is_unsaid(many_unsaid):
    for row in many_unsaid:
        complete = split(row["complete_findings"])
        omitted = omitted_normals(split(row["findings"]), complete)
        assert all(is_true(one, row["truth"]) for one in omitted)
        assert omitted_normals(complete, complete) == []


def test_a_normal_statement_that_the_truth_excludes_is_false_though_unsaid(many_unsaid):
    unsaid = [row for row in many_unsaid if "effusion" in {one["name"] for one in row["unsaid"]}]
    assert len(unsaid) > 50
    assert not any(is_true(Statement("no effusion"), row["truth"]) for row in unsaid)


@settings(max_examples=100, deadline=None)
@given(
    seed=st.integers(0, 2**40), rate=st.floats(0, 0.99), habits=st.sampled_from(["varied", "plain"])
)
def test_any_study_has_a_report_that_is_known(seed, rate, habits):
    (row,) = load_phantom(n=1, seed=seed, images=False, unsaid=rate, habits=habits)
    for column in ("findings", "impression", "complete_findings"):
        assert claims(row[column])
    assert all(is_true(one, row["truth"]) for one in claims(row["complete_findings"]))


def test_findings_stand_in_one_section_or_both(studies):
    places = Counter()
    for row in studies:
        sections = [{one.name for one in claims(row[name])} for name in ("findings", "impression")]
        for name in {"effusion", "consolidation", "cardiomegaly"} & sections[0].union(sections[1]):
            places[name in sections[0], name in sections[1]] += 1
    shares = {place: count / places.total() for place, count in places.items()}
    assert 0.04 < shares[True, False] < 0.14, "findings only"
    assert 0.01 < shares[False, True] < 0.08, "impression only"
    assert shares[True, True] > 0.8


def test_what_is_hard_to_see_is_mentioned_less(studies):
    def mentioned(rows, topic):
        normal = [
            {one.topic for one in claims(row["findings"]) if one.sign == "normal"} for row in rows
        ]
        return np.mean([topic in topics for topics in normal])

    healthy = [
        row for row in studies if not {"heart", "pleura"} & {one.topic for one in abnormal(row)}
    ]
    for limit, topic in (("heart hard to see", "heart"), ("apices hard to see", "pleura")):
        badly = [row for row in healthy if limit in row["hard_to_see"]]
        well = [row for row in healthy if not row["hard_to_see"]]
        assert len(badly) > 60
        assert mentioned(badly, topic) < 0.75 * mentioned(well, topic)
    covered = [
        "bases hard to see" in row["hard_to_see"]
        for row in studies
        if any(one.name == "effusion" and one.value != "small" for one in abnormal(row))
    ]
    assert 0.55 < np.mean(covered) < 0.85
    said = [row for row in studies if {one.name for one in claims(row["findings"])} & LIMITS.keys()]
    assert all(row["hard_to_see"] for row in said)
    assert 0.2 < len(said) / sum(bool(row["hard_to_see"]) for row in studies) < 0.5


def test_hedges_claim_nothing(studies):
    for name in HEDGED:
        hedge = Statement(HEDGE + name)
        assert hedge.sign == "neutral"
        assert hedge.topic == FINDINGS[name].topic
    assert statements("Cannot exclude a small left pleural effusion.") == (
        Statement("possible effusion", "", "left"),
    )
    hedged = [
        {one.name.removeprefix(HEDGE) for one in claims(row["findings"]) if HEDGE in one.name}
        for row in studies
    ]
    there = [bool(row["hedged"]) for row in studies]
    doubted = [bool(names) for names in hedged]
    assert 0.005 < np.mean(there) < 0.03
    assert 0.02 < np.mean(doubted) - np.mean(there) < 0.04, "of what is not there"


def test_what_is_doubted_is_not_denied(studies):
    for row in studies:
        said = claims(row["findings"]) + claims(row["impression"])
        doubts = {one.name.removeprefix(HEDGE): one for one in said if HEDGE in one.name}
        for name, hedge in doubts.items():
            doubted = facts((Statement(name, site=hedge.site),))
            assert not any(one in NORMALS and NORMALS[one].excludes & doubted for one in said), (
                row["findings"],
                row["impression"],
            )


def test_a_second_region_claims_nothing_of_the_chest(studies):
    rows = [row for row in studies if "Abdomen: " in row["findings"]]
    assert 0.02 < len(rows) / len(studies) < 0.04
    for row in rows:
        sentences = [one for one in split(row["findings"]) if one.startswith("Abdomen: ")]
        assert all(statements(one) == (Statement("abdomen"),) for one in sentences)
    assert statements("Abdomen: No free air.")[0].sign == "neutral"


def test_hospitals_differ(studies):
    shares = Counter(row["hospital"] for row in studies)
    assert shares.keys() == HOSPITALS.keys()
    assert min(shares.values()) > 0.15 * len(studies)
    usual = {
        name: Counter(
            one for row in studies if row["hospital"] == name for one in split(row["findings"])
        )
        for name in HOSPITALS
    }
    for name, counts in usual.items():
        others = sum((usual[other] for other in HOSPITALS if other != name), Counter())
        favorites = [one for one, _ in counts.most_common(12)]
        assert (
            sum(
                others[one] / others.total() < 0.3 * counts[one] / counts.total()
                for one in favorites
            )
            > 6
        )
    summaries = set()
    for name in HOSPITALS:
        rows = [row for row in studies if row["hospital"] == name and not abnormal(row)]
        ((summary, count),) = Counter(row["impression"] for row in rows).most_common(1)
        assert count > 0.15 * len(rows), "a hospital has a favorite of its own"
        summaries.add(summary)
    assert len(summaries) == 4
    mentioned = {
        name: np.mean(
            [
                "mediastinum" in {one.topic for one in claims(row["findings"])}
                for row in studies
                if row["hospital"] == name
            ]
        )
        for name in HOSPITALS
    }
    assert mentioned["B"] > mentioned["C"] + 0.2


def test_one_hospital_fills_in_a_form(studies):
    def labeled(rows):
        return np.mean(
            [": " in one for row in rows for one in split(row["findings"]) if "Abd" not in one]
        )

    assert labeled([row for row in studies if row["hospital"] == "D"]) > 0.9
    assert labeled([row for row in studies if row["hospital"] != "D"]) == 0
    assert not re.search(r": [a-z]", " ".join(row["findings"] for row in studies))
    assert statements("Pleura: No effusion.") == (Statement("no effusion"),)
    assert statements("Bones: Degenerative changes.") == (Statement("degenerative change"),)
    names = {rule.names[0] for rule in rules("labels.txt") if rule.is_plain}
    assert names == FINDINGS.keys() | {one.name for one in NORMALS if one.topic != "summary"}


def test_every_statement_has_words_in_the_grammar():
    known = {one.name for meaning in sentence_index().values() for one in meaning}
    assert known == FINDINGS.keys() | {one.name for one in NORMALS} | CONTEXT.keys()
    reporters = staff()
    assert len({reporter.hospital for reporter in reporters}) == 4
    files = {rule for name in OTHERS for rule in rules(name)}
    assert files <= {rule for one in reporters for rule, *_ in (*one.rules, *one.points)}


CAUSES = [
    ("acute rib fracture", "trauma", 4),
    ("edema", "heart failure", 4),
    ("consolidation", "infection", 3),
    ("central line", "line placement", 8),
    ("wide mediastinum", "mediastinum", 8),
    ("emphysema", "chronic lung disease", 5),
]


def reason_of(indication):
    text = re.sub(r"\d+", "{age}", indication) if re.match(r"\d+", indication) else indication
    return next(name for name, block in reasons().items() if text in block.sentences)


@pytest.mark.parametrize(("finding", "reason", "least"), CAUSES)
def test_the_indication_depends_on_what_is_there(studies, finding, reason, least):
    asked = [reason_of(row["indication"]) == reason for row in studies]
    with_finding = [
        one
        for one, row in zip(asked, studies, strict=True)
        if finding in {f.name for f in abnormal(row)}
    ]
    assert np.mean(with_finding) > least * np.mean(asked)
    assert np.mean(with_finding) < 0.95, "there is noise"


def test_the_sick_are_screened_too_and_the_healthy_have_pain(studies):
    assert REASONS.keys() == reasons().keys()
    sick = [
        row
        for row in studies
        if {"effusion", "consolidation"} & {one.name for one in abnormal(row)}
    ]
    healthy = [row for row in studies if not abnormal(row)]
    assert 0.01 < np.mean([reason_of(row["indication"]) == "screening" for row in sick]) < 0.15
    assert 0.1 < np.mean([reason_of(row["indication"]) == "chest pain" for row in healthy]) < 0.4
    texts = Counter(row["indication"] for row in studies)
    assert len(texts) > 150
    assert {"SOB", "r/o pneumonia", "s/p fall"} <= texts.keys()
