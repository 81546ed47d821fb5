"""How far two reports agree in what they find, as a reader weighs it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from semenrich_datasets.reading.assertions import Assertion
from semenrich_datasets.reading.entailment import entailed_denials, logic_of, logic_of_one
from semenrich_datasets.reading.lexicon import Lexicon
from semenrich_datasets.reading.reader import Reader, Reading
from semenrich_datasets.reading.stated import StatedFinding, kinship, stated_findings


@dataclass(frozen=True)
class Costs:
    """What errors cost; 1 is to miss, or to make up, a finding of ordinary urgency.

    The numbers follow from what an error does to the patient. None was optimized on ratings, though
    `normal` and `credit` were settled with RadPref's in view (see the README of `finding_f1`);
    `tests/benchmarks/bench_radpref.py --sensitivity` shows what doubling and halving each does.

    Args:
        urgent (`float`): weight of a finding that is acted on at once, such as a pneumothorax: to
            miss it harms within hours.
        minor (`float`): weight of one that changes nothing for the patient today, such as
            degenerative change; devices and surgery are among these.
        normal (`float`): a normal statement left out. Silence is read as normal, so that it takes
            ten to weigh as much as a finding.
        denied (`float`): factor of an error that the other report contradicts ("no effusion" for
            an effusion): silence may be asked about, a denial ends the search.
        detail (`float`): one step of a detail of a finding that both have, see [`finding_score`]:
            four steps are as bad as to miss it.
        credit (`float`): what a finding that both have makes up for. A report is also judged by
            what is right in it, but no right finding undoes a wrong one.
    """

    urgent: float = 2.0
    minor: float = 0.5
    normal: float = 0.1
    denied: float = 1.5
    detail: float = 0.25
    credit: float = 0.25


DEFAULT_COSTS = Costs()

# By kinship: the same, a kind of it, another diagnosis of what may be the same shadow.
_KIND_STEPS = (0, 1, 4)


@dataclass(frozen=True)
class FindingScore:
    """How far a report agrees with another.

    Args:
        score (`float`): 0 to 1, see [`finding_score`].
        shared (`float`): weight of the findings that both have, less `inexact`.
        wrong (`float`): cost of the findings that the reference does not have.
        missed (`float`): cost of the reference's findings that are not there.
        inexact (`float`): cost of side, place, degree, size, certainty and kind of the others.
        unsaid (`float`): cost of the reference's normal statements that are left out.
    """

    score: float
    shared: float
    wrong: float
    missed: float
    inexact: float
    unsaid: float


@dataclass(frozen=True)
class _Said:
    """What a report says: its findings, its normal statements, and what follows from these."""

    findings: Sequence[StatedFinding]
    normal: frozenset[Assertion]
    denied: int


def finding_score(
    prediction: Iterable[Reading],
    reference: Iterable[Reading],
    reader: Reader,
    costs: Costs = DEFAULT_COSTS,
) -> FindingScore:
    """Scores what a report finds against what its reference finds.

    The findings of both are paired one to one, so that the cost is least. With w the weight of a
    finding (2 urgent, 1, 0.5 minor; of a pair the greater),

        score   = (1 + 0.25 shared) / (1 + 0.25 shared + wrong + missed + inexact + unsaid)
        shared  = sum of w over pairs, less inexact
        wrong   = sum of w over the prediction's findings without a partner
        missed  = sum of w over the reference's findings without a partner
        inexact = sum over pairs of w * min(1, 0.25 * steps)
        unsaid  = 0.1 * normal statements of the reference that do not follow from the prediction

    What is wrong or missed costs 1.5 times as much where the other report denies it. Steps of a
    pair: side wrong 4, one of two sides 2, said by one alone 1; degree 1 or 2 apart, said by one
    alone 0.5; size 1 for each doubling, 2 at most; certainty 0.5; upper, middle, lower: 1 if none
    is shared; kind 1 ("opacity" for "consolidation"), near kin 4 ("atelectasis" for
    "consolidation": one error, not two); strangers are no pair. A finding without a partner that
    only says in part what a pair says already (a left effusion beside a pair of bilateral ones, an
    opacity beside a pair of pneumonias) costs its steps instead.

    Devices and surgery are minor findings, their side and measure are compared, which device it is
    is not. Sentences that assert nothing (technique, comparison, advice) do not count, nor do
    normal statements that the reference does not make. A prediction that asserts nothing scores 0,
    unless the reference asserts nothing either.

    Args:
        prediction (`Iterable[Reading]`): The sentences of the report to score.
        reference (`Iterable[Reading]`): Those of its reference.
        reader ([`Reader`]): What read them.
        costs ([`Costs`], *optional*): Other numbers.

    Returns:
        [`FindingScore`]

    Example:
        ```python
        >>> reader = Reader()
        >>> said, wanted = map(reader.read, ("Effusion.", "Left effusion."))
        >>> finding_score([said], [wanted], reader).inexact
        0.25
        ```
    """
    said, wanted = _said(prediction, reader.lexicon), _said(reference, reader.lexicon)
    if not said.findings and not said.normal and (wanted.findings or wanted.normal):
        missed = sum(weight(one, reader.lexicon, costs) for one in wanted.findings)
        return FindingScore(0.0, 0.0, 0.0, missed, 0.0, costs.normal * len(wanted.normal))
    matching = _Matching(said, wanted, reader.lexicon, costs)
    unsaid = costs.normal * _left_out(said, wanted, reader.lexicon)
    cost = matching.wrong + matching.missed + matching.inexact + unsaid
    merit = 1.0 + costs.credit * matching.shared
    return FindingScore(
        merit / (merit + cost),
        matching.shared,
        matching.wrong,
        matching.missed,
        matching.inexact,
        unsaid,
    )


def weight(finding: StatedFinding, lexicon: Lexicon, costs: Costs = DEFAULT_COSTS) -> float:
    """Gives the weight of a finding, by its urgency in the lexicon."""
    entry = lexicon.findings.get(finding.concept)
    if entry is None:
        return 1.0
    if entry.urgency == "high":
        return costs.urgent
    return costs.minor if entry.device or entry.urgency == "low" else 1.0


class _Matching:
    """The findings of two reports, paired so that the cost is least."""

    def __init__(self, said: _Said, wanted: _Said, lexicon: Lexicon, costs: Costs) -> None:
        self.lexicon, self.costs = lexicon, costs
        ours, theirs = said.findings, wanted.findings
        alone = [self._alone(one, wanted) for one in ours]
        alone_there = [self._alone(one, said) for one in theirs]
        pairs = self._pairs(ours, theirs, alone, alone_there)
        weights = (self._heavier(ours[row], theirs[column]) for row, column, _ in pairs)
        self.inexact = sum((cost for _, _, cost in pairs), 0.0)
        self.shared = sum(weights) - self.inexact
        rows, columns = [row for row, _, _ in pairs], [column for _, column, _ in pairs]
        self.wrong = self._rest(ours, alone, rows, [theirs[column] for column in columns])
        self.missed = self._rest(theirs, alone_there, columns, [ours[row] for row in rows])

    def _alone(self, finding: StatedFinding, other: _Said) -> float:
        """What a finding costs without a partner."""
        states = logic_of(
            (Assertion(finding.concept, "present", side) for side in finding.sides or (None,)),
            self.lexicon,
        ).states
        factor = self.costs.denied if states & other.denied else 1.0
        return factor * weight(finding, self.lexicon, self.costs)

    def _heavier(self, one: StatedFinding, other: StatedFinding) -> float:
        return max(weight(finding, self.lexicon, self.costs) for finding in (one, other))

    def _pairs(
        self,
        ours: Sequence[StatedFinding],
        theirs: Sequence[StatedFinding],
        alone: Sequence[float],
        alone_there: Sequence[float],
    ) -> list[tuple[int, int, float]]:
        """Row, column and cost of each pair."""
        if not ours or not theirs:
            return []
        paired = np.full((len(ours), len(theirs)), np.inf)
        for row, one in enumerate(ours):
            for column, other in enumerate(theirs):
                steps = detail_steps(one, other, self.lexicon)
                if steps is not None:
                    share = min(1.0, self.costs.detail * steps)
                    paired[row, column] = share * self._heavier(one, other)
        gain = np.maximum(0.0, np.add.outer(alone, alone_there) - paired)
        chosen = zip(*linear_sum_assignment(gain, maximize=True), strict=True)
        return [(int(a), int(b), float(paired[a, b])) for a, b in chosen if gain[a, b] > 0]

    def _rest(
        self,
        findings: Sequence[StatedFinding],
        alone: Sequence[float],
        paired: Sequence[int],
        partners: Sequence[StatedFinding],
    ) -> float:
        """Cost of what has no partner; what repeats a part of a pair costs as inexact."""
        cost = 0.0
        for row, one in enumerate(findings):
            if row in paired:
                continue
            steps = [
                detail_steps(one, other, self.lexicon) for other in partners if self._in(one, other)
            ]
            least = min((step for step in steps if step is not None), default=None)
            if least is None:
                cost += alone[row]
            else:
                share = min(1.0, self.costs.detail * least)
                self.inexact += share * weight(one, self.lexicon, self.costs)
        return cost

    def _in(self, one: StatedFinding, other: StatedFinding) -> bool:
        """Whether one may be a part of what the other says."""
        meet = not one.sides or not other.sides or bool(one.sides & other.sides)
        return meet and kinship(one.concept, other.concept, self.lexicon) in (0, 1)


def _said(readings: Iterable[Reading], lexicon: Lexicon) -> _Said:
    kept = list({reading.text: reading for reading in readings}.values())
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


def _left_out(said: _Said, wanted: _Said, lexicon: Lexicon) -> int:
    """How many normal statements do not follow; what a finding speaks against costs elsewhere."""
    stated = logic_of((Assertion(one.concept, "present") for one in said.findings), lexicon)
    known = said.denied | stated.excludes
    return sum(bool(logic_of_one(one, lexicon).denies & ~known) for one in wanted.normal)


def detail_steps(one: StatedFinding, other: StatedFinding, lexicon: Lexicon) -> float | None:
    """Counts how far apart the details of two findings are, in the steps of [`finding_score`].

    Args:
        one ([`StatedFinding`]): A finding.
        other ([`StatedFinding`]): Another.
        lexicon ([`Lexicon`]): That both were read by.

    Returns:
        `float` or `None`: 0 for the same; None for strangers.
    """
    kind = kinship(one.concept, other.concept, lexicon)
    if kind is None:
        return None
    steps = (
        _KIND_STEPS[kind]
        + _side_steps(one.sides, other.sides)
        + 0.5 * (one.certain != other.certain)
    )
    if one.levels and other.levels and not one.levels & other.levels:
        steps += 1
    if one.degree is not None and other.degree is not None:
        steps += abs(one.degree - other.degree)
    elif one.degree != other.degree:
        steps += 0.5
    if one.size is not None and other.size is not None:
        steps += min(2.0, abs(math.log2(one.size) - math.log2(other.size)))
    return steps


def _side_steps(one: frozenset[str], other: frozenset[str]) -> int:
    if one == other:
        return 0
    if not one or not other:
        return 1
    return 2 if one & other else 4
