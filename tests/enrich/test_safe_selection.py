"""Why the safe choice leaves a statement out: each reason by itself, and what holds of all."""

from itertools import combinations

import pytest
from fakes import build_index, made_up_reports, of_patients, report_of
from hypothesis import given, settings
from hypothesis import strategies as st

from semenrich_datasets.enrich.candidates import list_candidates
from semenrich_datasets.enrich.facts import ReportFacts, refusal
from semenrich_datasets.enrich.reasons import Reason
from semenrich_datasets.enrich.safe_selection import SafeSelection

BOTH = "No pleural effusion or pneumothorax."
ALONE = ["The diaphragm is normal.", "The hila are normal."]
UNFIT = [
    "The heart size is normal, unchanged from the prior study.",
    "The lungs are clear XXXX.",
    "No large pleural effusion.",
    "Lungs zorbified.",
]


@pytest.fixture(scope="module")
def index():
    """The made-up corpus, a list, sentences unfit to travel, and two that no report holds both."""
    rows = [row["findings"] for row in made_up_reports()]
    rows += [f"{text} Lungs clear." for text in [BOTH] * 30 + UNFIT * 12]
    usual = ["Lungs clear.", "No pleural effusion.", "No pneumothorax.", "Heart size normal."]
    rows += [f"{a} {b} No acute bony abnormality." for a in ALONE * 8 for b in usual]
    return build_index(of_patients(rows))


def selection_of(index, strategy="heaviest", max_added=None, min_score=0.0):
    return SafeSelection(index, strategy, max_added, min_score)


def reasons(selection, text, *context):
    """The fate of each candidate, by its most common wording."""
    decisions = selection.consider(report_of(text, *context))
    return {decision.candidate.wordings[0]: decision.reason for decision in decisions}


def fate(selection, text, topic, *context):
    """The fate of the one candidate whose most common wording holds these words."""
    fates = reasons(selection, text, *context).items()
    found = [reason for sentence, reason in fates if topic in sentence.lower()]
    assert len(found) == 1, f"{len(found)} candidates on {topic}"
    return found[0]


# What may be added at all


def test_candidates_are_fit_to_travel(index):
    candidates = list_candidates(index)
    wordings = {sentence.lower() for item in candidates for sentence in item.wordings}
    assert wordings >= {BOTH.lower(), *(text.lower() for text in ALONE)}
    assert not wordings & {text.lower() for text in UNFIT}
    assert all(item.support >= item.usage // len(item.wordings) >= 3 for item in candidates)
    assert all(item.reading.is_transferable for item in candidates)
    assert [item.unit_id for item in candidates] == index.agreement.candidate_ids.tolist()


def test_every_candidate_has_a_fate(index):
    selection = selection_of(index)
    decisions = selection.consider(report_of("Lungs clear. Heart enlarged."))
    assert {decision.candidate for decision in decisions} == set(selection.candidates)
    assert len(decisions) == len(selection.candidates)


# One reason after the other


def test_added_where_nothing_speaks_against_it(index):
    assert fate(selection_of(index), "Lungs clear.", "no pneumothorax") is None


@pytest.mark.parametrize(
    "text", ["Large right pneumothorax.", "Possible small pneumothorax. Mediastinum normal."]
)
def test_contradicts(index, text):
    selection = selection_of(index)
    assert fate(selection, text, "no pneumothorax") == "contradicts"
    assert fate(selection, text, "no pleural effusion or pneumothorax") == "contradicts"
    assert fate(selection, "Lungs clear.", "no pneumothorax", text) == "contradicts"


def test_redundant(index):
    selection = selection_of(index)
    assert fate(selection, "There is no pneumothorax.", "no pneumothorax") == "redundant"
    assert fate(selection, BOTH, "no pneumothorax") == "redundant"


def test_left_open(index):
    stable = "Lungs clear. The heart is stable."
    assert fate(selection_of(index), stable, "heart size") == "left_open"
    assert fate(selection_of(index), "Lungs clear.", "heart size") is None
    hedged = "Lungs clear. No large pneumothorax."
    assert fate(selection_of(index), hedged, "no pneumothorax") == "left_open"


def test_says_less(index):
    selection = selection_of(index)
    text = "Mediastinum normal. No acute consolidation."
    assert fate(selection, text, "lungs") == "says_less"
    assert fate(selection, text, "no pneumothorax") is None


def test_repeats(index):
    nothing_added = selection_of(index, max_added=0)
    assert fate(nothing_added, "There is no pneumothorax.", BOTH.lower()) == "repeats"
    assert fate(nothing_added, "Lungs clear.", BOTH.lower()) == "enough"


def test_redundant_with_what_was_added(index):
    fates = reasons(selection_of(index), "Lungs clear.")
    assert fates["There is no pneumothorax."] is None
    assert fates[BOTH] == "redundant"


def test_unlikely(index):
    text = "Lungs clear."
    everything = reasons(selection_of(index), text)
    strict = reasons(selection_of(index, min_score=1.01), text)
    assert {s for s, reason in everything.items() if reason is None} <= {
        s for s, reason in strict.items() if reason == "unlikely"
    }
    assert None not in strict.values()


def test_never_together(index):
    selection = selection_of(index)
    text = "Lungs clear. No pleural effusion. No pneumothorax. Heart size normal."
    alone = [fate(selection, text, topic) for topic in ("mediastinum", "diaphragm", "hila")]
    # No report holds two of them: one is added.
    assert sorted(alone, key=str) == [None, "never_together", "never_together"]
    alone = [
        fate(selection, f"{text} Mediastinum widened.", topic) for topic in ("diaphragm", "hila")
    ]
    assert sorted(alone, key=str) == [None, "never_together"]


def test_enough(index):
    text = "Lungs clear."
    full = [s for s, reason in reasons(selection_of(index), text).items() if reason is None]
    assert len(full) > 2
    capped = reasons(selection_of(index, max_added=2), text)
    assert [s for s, reason in capped.items() if reason is None] == full[:2]
    assert all(capped[sentence] in ("enough", "never_together") for sentence in full[2:])
    assert "enough" in capped.values()


# What holds of every report

SENTENCES = [
    "Lungs clear.",
    "Right lower lobe consolidation.",
    "There is no pleural effusion.",
    "Small left pleural effusion.",
    "No large pneumothorax.",
    "The heart is stable.",
    "Heart enlarged.",
    "The mediastinum is normal.",
    "Old left rib fracture.",
    "Quite unheard of.",
]
REPORTS = st.lists(st.sampled_from(SENTENCES), max_size=5, unique=True).map(" ".join)


@settings(max_examples=60, deadline=None)
@given(REPORTS, REPORTS, st.sampled_from(["heaviest", "random"]), st.sampled_from([0, 1, 3, None]))
def test_additions_are_compatible(index, text, context, strategy, most):
    selection = selection_of(index, strategy, most, min_score=0.9)
    report = report_of(text, context)
    additions = selection(report)
    assert most is None or len(additions) <= most
    assert all(addition.score >= 0.9 for addition in additions)
    sentences = [addition.sentence for addition in additions]
    for sentence in sentences:
        assert refusal(sentence, text, context, lexicon=index.reader) is None
    for one, other in combinations(sentences, 2):
        assert ReportFacts.read(index.reader, [one]).check(index.reader.read(other)) is None


@settings(max_examples=60, deadline=None)
@given(REPORTS, st.sampled_from(["heaviest", "random"]))
def test_the_audit_tells_what_was_done(index, text, strategy):
    selection = selection_of(index, strategy)
    added = {addition.cluster_id for addition in selection(report_of(text))}
    told = [item for item in selection.consider(report_of(text)) if item.reason is None]
    assert {item.candidate.unit_id for item in told} == added


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(SENTENCES), max_size=5, unique=True), st.randoms())
def test_the_order_of_the_sentences_changes_no_statement(index, sentences, rng):
    shuffled = rng.sample(sentences, len(sentences))
    selection = selection_of(index)
    one, other = (reasons(selection, " ".join(texts)) for texts in (sentences, shuffled))
    assert one == other


# The check that the enricher makes is the one that anybody can ask for


@settings(max_examples=60, deadline=None)
@given(REPORTS, REPORTS)
def test_refusal_is_what_the_selection_decides(index, text, context):
    nothing_added = selection_of(index, max_added=0)
    decisions = nothing_added.consider(report_of(text, context))
    assert decisions
    fault = nothing_added.fault(report_of(text, context))
    if fault is not None:
        assert {decision.reason for decision in decisions} == {fault}
        return
    for decision in decisions:
        # What the rules of the corpus refuse, the rules of the words let through.
        passed = decision.reason in (Reason.ENOUGH, Reason.OTHER_KIND)
        expected = None if passed else decision.reason
        for wording in decision.candidate.wordings[:1]:
            assert refusal(wording, text, context, lexicon=index.reader) == expected


def test_the_selection_gives_no_reason_of_others(index):
    given_reasons = set()
    more = ["Mediastinum normal. No acute consolidation.", "Heart enlarged. The heart is stable."]
    more += ["Lungs clear. Addendum: pneumothorax.", "sin hallazgos patologicos", "Lumbar spine."]
    more += ["Lungs clear. The heart is stable."]
    for text in [*SENTENCES, *more]:
        for selection in (selection_of(index, max_added=2), selection_of(index, min_score=0.99)):
            given_reasons |= set(reasons(selection, text).values())
    others = {Reason.UNSUPPORTED, Reason.IMAGE, Reason.UNDECIDED, Reason.LEFT_OUT}
    # Candidates are fit to travel: what a sentence carries in itself is sifted out before.
    others |= {Reason.PRIOR, Reason.IDENTIFYING, Reason.NOT_UNDERSTOOD}
    others |= {Reason.NOT_NORMAL, Reason.HEDGES}
    assert given_reasons == {None, *Reason} - others
