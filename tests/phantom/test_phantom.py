"""The plain phantom: every report is true of its study, and every finding shows in its image."""

import os
import re
import subprocess
import sys
from collections import Counter
from itertools import pairwise

import datasets
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
from semenrich_datasets.phantom.grammar import rules, sentence_index
from semenrich_datasets.phantom.images import render
from semenrich_datasets.phantom.truth import FINDINGS, NORMALS, PRIOR, normal_statements

PLAIN = {"unsaid": 0.0, "habits": "plain"}  # authors who state all that is abnormal
NOISE = 0.012 * 255  # standard deviation of the film's grain, in grey levels


def split(text):
    return re.split(r"(?<=\.)\s+", re.sub(r"(^|\s)\d\.\s", r"\1", text))


def said_in(text):
    return [statement for sentence in split(text) for statement in statements(sentence)]


def state_of(row):
    return tuple(Statement(**found) for found in row["truth"])


@pytest.fixture(scope="module")
def studies():
    return load_phantom(n=4000, seed=11, images=False, **PLAIN).to_list()


def test_rows_depend_on_seed_and_row_alone():
    few, many = load_phantom(n=8, seed=5), load_phantom(n=20, seed=5)
    assert few[:] == many[:8]
    assert load_phantom(n=8, seed=6)["findings"] != few["findings"]
    text_only = load_phantom(n=8, seed=5, images=False)
    assert text_only[:] == few.remove_columns("image")[:]


def test_another_process_gives_the_same_studies():
    code = """if True:
        from semenrich_datasets.phantom import load_phantom
        print(load_phantom(n=40, seed=9, images=False).to_list())"""
    environment = {**os.environ, "PYTHONHASHSEED": "12345"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == str(load_phantom(n=40, seed=9, images=False).to_list())


@pytest.mark.parametrize("n", [0, 1, 40])
def test_features_do_not_depend_on_the_data(n):
    text = datasets.Value("string")
    found = datasets.List({"name": text, "value": text, "site": text})
    plain = {"image": datasets.Image(), "findings": text, "impression": text}
    plain |= {"complete_findings": text, "truth": found, "unsaid": found, "overlooked": found}
    varied = {"indication": text, "hedged": found, "hospital": text}
    varied["hard_to_see"] = datasets.List(text)
    assert load_phantom(n=n, habits="plain").features == datasets.Features(plain)
    assert load_phantom(n=n).features == datasets.Features(plain | varied)


@pytest.mark.parametrize(
    "wrong",
    [
        {"n": -1},
        {"seed": -1},
        {"image_size": 63},
        {"image_size": 225},
        {"unsaid": -0.1},
        {"unsaid": 1.0},
        {"habits": "odd"},
    ],
)
def test_arguments_out_of_range_are_named(wrong):
    with pytest.raises(ValueError, match=f"{next(iter(wrong.values()))}"):
        load_phantom(**wrong)


@pytest.mark.parametrize("section", ["findings", "complete_findings", "impression"])
def test_every_sentence_is_known_and_true(studies, section):
    for row in studies:
        for sentence in split(row[section]):
            meaning = statements(sentence)
            assert meaning is not None, sentence
            wrong = [one for one in meaning if not is_true(one, row["truth"])]
            assert not wrong, (sentence, row["truth"])


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 2**40))
def test_reports_say_all_that_they_must(seed):
    (row,) = load_phantom(n=1, seed=seed, images=False, **PLAIN)
    found = [one for one in state_of(row) if one != PRIOR]
    findings, complete = Counter(split(row["findings"])), Counter(split(row["complete_findings"]))
    assert findings <= complete
    assert set(normal_statements(state_of(row))) <= set(said_in(row["complete_findings"]))
    assert omitted_normals(complete, complete) == []
    assert findings.keys() - {""}
    assert row["impression"]
    for names, text in (
        ({one.name for one in found}, row["findings"] + " " + row["impression"]),
        ({one.name for one in found}, row["complete_findings"]),
    ):
        assert names <= {one.name for one in said_in(text)}


def test_an_unlocated_finding_is_rare(studies):
    located = [
        any(one.name == found["name"] and one.site == found["site"] for one in said_in(text))
        for row in studies
        for found in row["truth"]
        if found["name"] in ("effusion", "pneumothorax", "consolidation", "nodule")
        for text in [row["complete_findings"] + " " + row["impression"]]
    ]
    assert np.mean(located) > 0.85


def test_half_of_the_studies_are_normal_and_no_finding_is_too_rare(studies):
    counts = Counter(name for row in studies for name in {one["name"] for one in row["truth"]})
    normal = [not [one for one in row["truth"] if one["name"] != "prior"] for row in studies]
    assert 0.45 < np.mean(normal) < 0.55
    shares = {name: counts[name] / len(studies) for name in FINDINGS}
    assert min(shares.values()) > 0.004, shares
    assert max(shares, key=shares.get) == "degenerative change"
    assert shares["degenerative change"] < 0.25
    assert 0.06 < shares["cardiomegaly"] < 0.14
    assert 0.05 < shares["effusion"] < 0.12
    assert 0.01 < shares["pneumothorax"] < 0.03


@pytest.mark.parametrize(
    ("cause", "effect", "least"),
    [
        ("edema", "cardiomegaly", 5),
        ("edema", "effusion", 4),
        ("emphysema", "hyperinflation", 8),
        ("acute rib fracture", "pneumothorax", 5),
        ("central line", "low volumes", 4),
        ("tortuous aorta", "degenerative change", 3),
    ],
)
def test_findings_come_together(studies, cause, effect, least):
    names = [{one["name"] for one in row["truth"]} for row in studies]
    with_cause = np.mean([effect in one for one in names if cause in one])
    assert with_cause > least * np.mean([effect in one for one in names])


def test_contradicting_findings_never_meet(studies):
    for row in studies:
        names = {one["name"] for one in row["truth"]}
        for pair in (
            {"cardiomegaly", "borderline heart"},
            {"edema", "congestion"},
            {"low volumes", "hyperinflation"},
        ):
            assert not pair <= names


def test_what_an_effusion_or_a_pneumothorax_covers_is_not_there(studies):
    covered = {
        ("effusion", "moderate"): ["lower"],
        ("effusion", "large"): ["lower", "mid"],
        ("pneumothorax", "small"): ["upper", "apex"],
        ("pneumothorax", "large"): ["upper", "apex", "mid"],
    }
    seen = 0
    for row in studies:
        sites = {one.site for one in state_of(row) if one.topic == "lungs"}
        sites |= {f"{one.site} lower" for one in state_of(row) if one.name == "atelectasis"}
        for one in state_of(row):
            zones = covered.get(one[:2], [])
            seen += len(zones)
            assert not sites & {f"{one.site} {zone}" for zone in zones}
    assert seen > 100


def test_reporters_leave_half_of_the_normal_statements_out(studies):
    shares = []
    for row in studies:
        wanted = normal_statements(state_of(row))
        omitted = omitted_normals(split(row["findings"]), split(row["complete_findings"]))
        assert set(omitted) <= set(wanted)
        shares.append(len(omitted) / len(wanted))
    assert 0.4 < np.mean(shares) < 0.6
    assert np.mean(np.array(shares) > 0.75) > 0.05, "some reporters are terse"
    assert np.mean(np.array(shares) < 0.3) > 0.05, "some reporters are thorough"


def test_a_few_findings_stand_in_the_impression_only(studies):
    hidden = [
        not names <= {one.name for one in said_in(row["findings"])}
        for row in studies
        if (names := {one["name"] for one in row["truth"]} - {"prior"})
    ]
    assert 0.005 < np.mean(hidden) < 0.05


def test_traps_are_there_at_low_rates(studies):
    sentences = [sentence for row in studies for sentence in split(row["findings"])]
    share = {
        name: np.mean([name in {one.name for one in statements(text)} for text in sentences])
        for name in ("prior", "blank", "otherwise clear", "technique")
    }
    assert 0.03 < share["prior"] < 0.1
    assert 0.01 < share["blank"] < 0.06
    assert 0.002 < share["otherwise clear"] < 0.02
    assert 0.002 < share["technique"] < 0.03
    assert all(
        "xxxx" in text.lower() for text in sentences if Statement("blank") in statements(text)
    )


def test_reports_have_the_shape_of_real_ones(studies):
    counts = [len(split(row["findings"])) for row in studies]
    assert 4 < np.mean(counts) < 6.5
    usual = Counter(sentence for row in studies for sentence in split(row["findings"]))
    assert len(usual) > 1500, "many paraphrases"
    assert usual.most_common(1)[0][1] > 0.012 * sum(usual.values()), "some said very often"


def test_grammar_is_rich_and_its_sentences_short():
    singles = Counter()
    for rule in rules():
        if rule.is_plain:
            singles[rule.names[0]] += len(rule.sentences)
    everywhere = {one.name for one in NORMALS if not one.site}
    assert min(singles[name] for name in everywhere) >= 12
    assert min(singles[name] for name in FINDINGS) >= 5
    for sentence in sentence_index():
        # A form has sentences of two words: "Heart: Normal."
        assert 2 + (": " not in sentence) <= len(sentence.split()) <= 20, sentence
        assert "[" not in sentence
        assert "{" not in sentence


def test_each_block_of_the_grammar_says_what_its_heading_says():
    known = FINDINGS.keys() | {one.name for one in NORMALS}
    for meaning in sentence_index().values():
        for one in meaning:
            assert one.sign == "neutral" or one.name in known
            assert one.sign != "normal" or one in NORMALS


def test_statements_of_joint_and_unknown_sentences():
    assert set(statements("NO PLEURAL effusion or pneumothorax.")) == {
        Statement("no effusion"),
        Statement("no pneumothorax"),
    }
    assert statements("There is a small left pleural effusion") == (
        Statement("effusion", "small", "left"),
    )
    assert statements("Stable mild cardiomegaly.") == (Statement("cardiomegaly", "mild"), PRIOR)
    assert statements("The trachea sings.") is None


GRANULOMA = [{"name": "granuloma", "value": "", "site": "right upper"}]
BORDERLINE = [{"name": "borderline heart", "value": "", "site": ""}]
SPINE = [{"name": "degenerative change", "value": "mild", "site": ""}]
CONGESTION = [{"name": "congestion", "value": "", "site": ""}]
EFFUSION = [{"name": "effusion", "value": "small", "site": "left"}]


@pytest.mark.parametrize(
    ("sentence", "truth", "expected"),
    [
        ("lungs are clear bilaterally", [], True),
        ("lungs are clear bilaterally", GRANULOMA, False),
        ("lungs are clear bilaterally", EFFUSION, False),
        ("left lung is clear", GRANULOMA, True),
        ("right lung is clear", GRANULOMA, False),
        ("no focal consolidation", GRANULOMA, True),
        ("no focal opacity is seen", GRANULOMA, False),
        ("no suspicious pulmonary nodule", GRANULOMA, True),
        ("lungs are otherwise clear", GRANULOMA, True),
        ("lungs are otherwise clear", SPINE, False),
        ("heart size is normal", BORDERLINE, False),
        ("the cardiomediastinal silhouette is normal", BORDERLINE, False),
        ("no acute bony abnormality", SPINE, True),
        ("the bones are unremarkable", SPINE, False),
        ("no pulmonary edema", CONGESTION, True),
        ("pulmonary vascularity is normal", CONGESTION, False),
        ("there is no right pleural effusion", EFFUSION, True),
        ("there is no pleural effusion", EFFUSION, False),
        ("small left pleural effusion", EFFUSION, True),
        ("moderate left pleural effusion", EFFUSION, False),
        ("small right pleural effusion", EFFUSION, False),
        ("there are bilateral pleural effusions", EFFUSION, False),
        ("stable borderline heart size", BORDERLINE, False),
        ("stable borderline heart size", [*BORDERLINE, PRIOR._asdict()], True),
        ("no prior studies are available for comparison", [PRIOR._asdict()], False),
        ("normal chest radiograph", SPINE, False),
        ("no acute cardiopulmonary abnormality", SPINE, True),
    ],
)
def test_truth_is_read_strictly(sentence, truth, expected):
    assert all(is_true(one, truth) for one in statements(sentence)) is expected


def test_omitted_normals_counts_topics_and_joint_sentences():
    complete = ["Heart size is normal.", "The lungs are clear.", "No focal consolidation."]
    complete += ["No pleural effusion or pneumothorax.", "The bones are unremarkable."]
    assert omitted_normals([], complete) == [
        Statement("heart normal"),
        Statement("lungs clear"),
        Statement("no effusion"),
        Statement("no pneumothorax"),
        Statement("bones normal"),
    ]
    cautious = ["No acute bony abnormality.", "No focal consolidation.", "What is this?"]
    assert omitted_normals([*cautious, "There is no pleural effusion."], complete) == [
        Statement("heart normal"),
        Statement("no pneumothorax"),
    ]


@pytest.mark.parametrize("size", [64, 224])
def test_images_decode(size):
    image = load_phantom(n=1, image_size=size)[0]["image"]
    assert image.size == (size, size)
    assert image.mode == "L"
    assert 20 < np.asarray(image).std() < 90


def changed(state, without, seed=0, size=64):
    """Absolute change of each grey level, with the same body and noise."""
    one, other = (
        render(tuple(found), size, np.random.default_rng(seed)).astype(float)
        for found in (state, without)
    )
    return np.abs(one - other)


def is_visible(change):
    """Pixels that change by three times the noise, or many that change by less."""
    return (change > 3 * NOISE).sum() >= 3 and (change**2).sum() > 60 * NOISE**2


ONE_FINDING = [
    Statement(name, value, site)
    for name, finding in FINDINGS.items()
    for value in finding.values
    for site in finding.sites
]


@pytest.mark.parametrize("found", ONE_FINDING, ids=" ".join)
def test_each_finding_shows_on_its_side(found):
    for seed in range(3):
        change = changed([found], [], seed)
        assert is_visible(change)
        if found.site and found.name not in ("central line", "pacemaker"):
            image_left, image_right = change[:, :30].sum(), change[:, 34:].sum()
            on_side, off_side = image_left, image_right
            if found.site.startswith("left"):
                on_side, off_side = image_right, image_left
            assert on_side > 4 * off_side


@pytest.mark.parametrize("name", [name for name, one in FINDINGS.items() if len(one.values) > 1])
def test_values_look_different(name):
    site = FINDINGS[name].sites[0]
    states = [[Statement(name, value, site)] for value in FINDINGS[name].values]
    for one, other in pairwise(states):
        assert (changed(one, other) > 2 * NOISE).sum() >= 3


def test_no_finding_hides_another(studies):
    several = [state for row in studies if len(state := state_of(row)) > 2][:250]
    for seed, state in enumerate(several):
        for found in state:
            if found != PRIOR:
                others = [one for one in state if one != found]
                assert is_visible(changed([*others, found], others, seed)), (found, state)


def test_the_side_can_be_read_off_any_body():
    for seed, side in enumerate(["left", "right"] * 20):
        state = (Statement("effusion", "moderate", side),)
        lower = render(state, 64, np.random.default_rng(seed))[40:56].astype(float)
        assert side == ("right" if lower[:, 6:24].mean() > lower[:, 40:58].mean() else "left")
