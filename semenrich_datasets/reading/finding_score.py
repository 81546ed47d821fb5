"""How far two reports agree in what they find, as a reader weighs it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from semenrich_datasets.reading.assertions import Assertion
from semenrich_datasets.reading.entailment import entailed_denials, logic_of
from semenrich_datasets.reading.lexicon import Lexicon
from semenrich_datasets.reading.reader import Reader, Reading
from semenrich_datasets.reading.stated import StatedFinding, kinship, stated_findings


@dataclass(frozen=True)
class Costs:
    """What errors cost; 1 is to miss, or to make up, a finding of ordinary urgency.

    The numbers are set by clinical reasoning, not fitted to ratings; each is a power of two, or
    stands beside its reason.

    Args:
        urgent (`float`): weight of a finding that is acted on at once, such as a pneumothorax:
            missing it harms within hours.
        minor (`float`): weight of one that changes nothing for the patient today, such as
            degenerative change; devices and surgery are among these.
        normal (`float`): a normal statement left out. Readers take silence as normal, so that it
            takes twenty to weigh as much as a finding.
        denied (`float`): factor of an error that the other report contradicts ("no effusion" for
            an effusion): silence may be asked about, a denial ends the search.
        detail (`float`): one step of a detail of a finding that is there, see [`finding_score`].
    """

    urgent: float = 2.0
    minor: float = 0.5
    normal: float = 0.05
    denied: float = 1.5
    detail: float = 0.25


DEFAULT_COSTS = Costs()


@dataclass(frozen=True)
class FindingScore:
    """How far a report agrees with another.

    Args:
        score (`float`): 1 / (1 + cost), 0 to 1.
        wrong (`float`): cost of the findings that the reference does not have.
        missed (`float`): cost of the reference's findings that are not there.
        inexact (`float`): cost of side, place, degree, size, certainty and kind of the others.
        unsaid (`float`): cost of the reference's normal statements that are left out.
    """

    score: float
    wrong: float
    missed: float
    inexact: float
    unsaid: float

    @property
    def cost(self) -> float:
        """All of it."""
        return self.wrong + self.missed + self.inexact + self.unsaid


@dataclass(frozen=True)
class _Said:
    findings: Sequence[StatedFinding]
    normal: frozenset[Assertion]
    denied: int  # as in Logic

    @property
    def is_empty(self) -> bool:
        return not self.findings and not self.normal


def finding_score(
    prediction: Iterable[Reading],
    reference: Iterable[Reading],
    reader: Reader,
    costs: Costs = DEFAULT_COSTS,
) -> FindingScore:
    """Scores what a report finds against what its reference finds.

    The findings of both are paired one to one, so that the cost is least. With w the weight of a
    finding (2 urgent, 1, 0.5 minor; of a pair the greater),

        score = 1 / (1 + wrong + missed + inexact + unsaid)
        wrong   = sum of w over the prediction's findings without a partner
        missed  = sum of w over the reference's findings without a partner
        inexact = sum over pairs of w * min(1, 0.25 * steps)
        unsaid  = 0.05 * normal statements of the reference that do not follow from the prediction

    What is wrong or missed costs 1.5 times as much where the other report denies it. Steps of a
    pair: side wrong 4, one of two sides 2, said by one alone 1; degree 1 or 2 apart, said by one
    alone 0.5; size 1 for each doubling, 2 at most, said by one alone 0; certainty 0.5; upper,
    middle, lower: 1 if none is shared; kind 1 ("opacity" for "consolidation"), near kin 2
    ("atelectasis" for "consolidation"); strangers are no pair.

    Sentences that assert nothing (technique, comparison, advice) do not count, nor do normal
    statements that the reference does not make. A prediction that asserts nothing scores 0, unless
    the reference asserts nothing either.

    Args:
        prediction (`Iterable[Reading]`): The sentences of the report to score.
        reference (`Iterable[Reading]`): Those of its reference.
        reader ([`Reader`]): What read them.
        costs ([`Costs`], *optional*): Other numbers.

    Returns:
        [`FindingScore`]
    """
    lexicon = reader.lexicon
    said, wanted = _said(prediction, lexicon), _said(reference, lexicon)
    alone = [_costs_alone(said, wanted, lexicon, costs), _costs_alone(wanted, said, lexicon, costs)]
    inexact = 0.0
    for row, column, cost in _pairs(said.findings, wanted.findings, alone, lexicon, costs):
        alone[0][row] = alone[1][column] = 0.0
        inexact += cost
    unsaid = costs.normal * _left_out(said, wanted, lexicon)
    total = sum(alone[0]) + sum(alone[1]) + inexact + unsaid
    silent = said.is_empty and not wanted.is_empty
    score = 0.0 if silent else 1.0 / (1.0 + total)
    return FindingScore(score, sum(alone[0]), sum(alone[1]), inexact, unsaid)


def weight(finding: StatedFinding, lexicon: Lexicon, costs: Costs = DEFAULT_COSTS) -> float:
    """Gives the weight of a finding: that of its most urgent name."""
    return max(_weight(name, lexicon, costs) for name in finding.names)


def _weight(name: str, lexicon: Lexicon, costs: Costs) -> float:
    entry = lexicon.findings.get(name)
    if entry is not None and entry.urgency == "high":
        return costs.urgent
    return costs.minor if entry is not None and (entry.device or entry.urgency == "low") else 1.0


def _said(readings: Iterable[Reading], lexicon: Lexicon) -> _Said:
    kept = list(readings)
    normal = frozenset(
        one
        for reading in kept
        for one in reading.assertions
        if not one.is_abnormal and one.concept in lexicon.numbers
    )
    denied = 0
    for one in normal:
        denied |= entailed_denials(one, lexicon)
    return _Said(stated_findings(kept, lexicon), normal, denied)


def _costs_alone(said: _Said, other: _Said, lexicon: Lexicon, costs: Costs) -> list[float]:
    """What each finding costs without a partner."""
    return [
        weight(one, lexicon, costs) * (costs.denied if _is_denied(one, other, lexicon) else 1.0)
        for one in said.findings
    ]


def _is_denied(finding: StatedFinding, other: _Said, lexicon: Lexicon) -> bool:
    sides = finding.sides or {None}
    return any(
        logic_of((Assertion(name, "present", side),), lexicon).states & other.denied  # type: ignore[arg-type]
        for name in finding.names
        for side in sides
    )


def _pairs(
    ours: Sequence[StatedFinding],
    theirs: Sequence[StatedFinding],
    alone: Sequence[Sequence[float]],
    lexicon: Lexicon,
    costs: Costs,
) -> list[tuple[int, int, float]]:
    """The pairs by which the cost is least, each with its own."""
    if not ours or not theirs:
        return []
    paired = np.full((len(ours), len(theirs)), np.inf)
    for row, one in enumerate(ours):
        for column, other in enumerate(theirs):
            steps = _steps(one, other, lexicon)
            if steps is not None:
                heavier = max(weight(one, lexicon, costs), weight(other, lexicon, costs))
                paired[row, column] = heavier * min(1.0, costs.detail * steps)
    gain = np.maximum(0.0, np.add.outer(alone[0], alone[1]) - paired)
    chosen = zip(*linear_sum_assignment(gain, maximize=True), strict=True)
    return [(int(a), int(b), float(paired[a, b])) for a, b in chosen if gain[a, b] > 0]


def _steps(one: StatedFinding, other: StatedFinding, lexicon: Lexicon) -> float | None:
    """How far apart the details of two findings are; None if they are not of one kind."""
    near = [
        distance
        for name in one.names
        for partner in other.names
        if (distance := kinship(name, partner, lexicon)) is not None
    ]
    if not near:
        return None
    steps = min(near) + _side_steps(one.sides, other.sides)
    steps += 0.5 * (one.certain != other.certain)
    if one.levels and other.levels and not one.levels & other.levels:
        steps += 1
    if one.degree is not None and other.degree is not None:
        steps += abs(one.degree - other.degree)
    elif one.degree != other.degree:
        steps += 0.5
    if one.size is not None and other.size is not None:
        steps += min(2.0, abs(float(np.log2(one.size / other.size))))
    return steps


def _side_steps(one: frozenset[str], other: frozenset[str]) -> int:
    if one == other:
        return 0
    if not one or not other:
        return 1
    return 2 if one & other else 4


def _left_out(said: _Said, wanted: _Said, lexicon: Lexicon) -> int:
    """How many normal statements do not follow; what a finding speaks against costs elsewhere."""
    stated = logic_of(
        (Assertion(name, "present") for one in said.findings for name in one.names), lexicon
    )
    known = said.denied | stated.excludes
    return sum(bool(logic_of((one,), lexicon).denies & ~known) for one in wanted.normal)
