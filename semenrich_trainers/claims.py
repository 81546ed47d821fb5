"""What a report claims, in a form that can be held against another report's, with part credit."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.optimize import linear_sum_assignment

from semenrich_datasets.index import FindingsIndex, Unit
from semenrich_datasets.reading import Assertion, Reader, Reading
from semenrich_datasets.reading.finding_score import detail_steps
from semenrich_datasets.reading.stated import StatedFinding, stated_findings

#: One step of a detail (side, degree, doubt) takes so much of a finding's credit, as in
#: [`~reading.finding_score.Costs`].
DETAIL = 0.25

# Texts that are remembered; in GRPO the references and the common reports come again and again.
_MEMORY = 2**14


@dataclass(frozen=True)
class Finding:
    """An abnormal finding of a report, and the names that it goes by.

    Args:
        stated ([`StatedFinding`]): What, how sure, where and how much.
        names (`frozenset[str]`): Where its concept is wider than one thing: "pacemaker" and
            "central line" are both a device.
    """

    stated: StatedFinding
    names: frozenset[str]

    @property
    def kind(self) -> Hashable:
        """What it is, wherever and however much of it there is."""
        return self.stated.concept, self.names


@dataclass(frozen=True)
class Claims:
    """What a text claims.

    Args:
        normal (`frozenset[Assertion]`): What it denies or calls normal, one by one: "No effusion or
            pneumothorax." claims what "No effusion. No pneumothorax." does.
        findings (`tuple[Finding, ...]`): What it finds.
        units (`frozenset[Unit]`): The units of those of its sentences that the reader does not
            understand.
    """

    normal: frozenset[Assertion]
    findings: tuple[Finding, ...]
    units: frozenset[Unit]

    @property
    def kinds(self) -> list[tuple[Hashable, bool]]:
        """What is claimed, without its details, and whether it is abnormal."""
        return [
            *((one, False) for one in self.normal),
            *((one.kind, True) for one in self.findings),
            *((one, one.sign == "abnormal") for one in self.units),
        ]


class ClaimReader:
    """Reads texts into claims, by an index; what it has read it remembers.

    Args:
        index ([`FindingsIndex`]): Tells the units of sentences that its reader does not understand.
            With `preset="paper"` every sentence is its published cluster, and nothing is read.
    """

    def __init__(self, index: FindingsIndex) -> None:
        self.index = index
        self._known: dict[str, Claims] = {}

    def __call__(self, texts: Sequence[str]) -> list[Claims]:
        """Gives the claims of each text."""
        new = list(dict.fromkeys(text for text in texts if text not in self._known))
        if len(self._known) + len(new) > _MEMORY:
            self._known.clear()
            new = list(dict.fromkeys(texts))
        self._known.update(zip(new, self._read(new), strict=True))
        return [self._known[text] for text in texts]

    def _read(self, texts: Sequence[str]) -> list[Claims]:
        split = [self.index.split(text) for text in texts]
        distinct = list(dict.fromkeys(sentence for cut in split for sentence in cut))
        understood = {} if self.index.config.preset == "paper" else self._understood(distinct)
        rest = [sentence for sentence in distinct if sentence not in understood]
        units = dict(zip(rest, self.index.units(rest), strict=True)) if rest else {}
        return [
            _claims(
                [understood[sentence] for sentence in cut if sentence in understood],
                frozenset(units[sentence] for sentence in cut if sentence in units),
                self.index.reader,
            )
            for cut in split
        ]

    def _understood(self, sentences: Sequence[str]) -> dict[str, Reading]:
        reader = self.index.reader
        readings = {sentence: reader.read(sentence) for sentence in sentences}
        return {sentence: one for sentence, one in readings.items() if _is_whole(one, reader)}


def _is_whole(reading: Reading, reader: Reader) -> bool:
    """Whether the claims of a sentence are all that it says."""
    if not reading.content:
        return False
    is_abnormal = any(one.is_abnormal for one in reading.content)
    return not is_abnormal or bool(stated_findings([reading], reader.lexicon))


def _claims(readings: Sequence[Reading], units: frozenset[Unit], reader: Reader) -> Claims:
    said = [one for reading in readings for one in reading.content or ()]
    names: dict[str, set[str]] = {}
    for one in said:
        if one.is_abnormal and one.name:
            names.setdefault(one.concept, set()).add(one.name)
    return Claims(
        frozenset(one for one in said if not one.is_abnormal),
        tuple(
            Finding(one, frozenset(names.get(one.concept, ())))
            for one in stated_findings(readings, reader.lexicon)
        ),
        units,
    )


@dataclass(frozen=True)
class Agreement:
    """How much two texts claim, and how much of it both, by weight.

    Args:
        shared (`float`): Of what both claim; a finding with other details counts in part.
        written (`float`): Of what the first claims.
        wanted (`float`): Of what the second claims.
    """

    shared: float = 0.0
    written: float = 0.0
    wanted: float = 0.0

    def f1(self, prior: float = 0.0) -> float:
        """F1 of both: 2 shared / (written + wanted + prior); 1 where nothing is claimed."""
        total = self.written + self.wanted + prior
        return 2.0 * self.shared / total if total else 1.0

    def __add__(self, other: Agreement) -> Agreement:
        """Of both pairs together."""
        return Agreement(
            self.shared + other.shared, self.written + other.written, self.wanted + other.wanted
        )


Weight = Callable[[Hashable, bool], float]


def agree(written: Claims, wanted: Claims, weight: Weight, reader: Reader) -> dict[str, Agreement]:
    """Holds what one text claims against what another claims.

    Normal claims and units agree or not. Findings are paired one to one, so that most is shared,
    and a pair shares the lesser of its weights times its credit, 1 - 0.25 steps, by the steps of
    [`~reading.finding_score.finding_score`]: the wrong side 4 steps, one of two sides 2, a side
    that one alone names 1; a degree beside it 1, one that one alone names 0.5; "may be" 0.5; a kind
    of it 1. The names of a wider concept take their share: a pacemaker is no central line.

    Args:
        written ([`Claims`]): What was written.
        wanted ([`Claims`]): What should have been.
        weight (`Callable`): Weight of a kind of claim, and whether it is abnormal.
        reader ([`Reader`]): That both were read by.

    Returns:
        `dict[str, Agreement]`: "normal" (neutral units too) and "abnormal".
    """
    sums = {
        is_abnormal: [
            sum(weight(kind, sign) for kind, sign in one.kinds if sign == is_abnormal)
            for one in (written, wanted)
        ]
        for is_abnormal in (False, True)
    }
    shared = {
        is_abnormal: sum(
            weight(one, is_abnormal)
            for one in written.units & wanted.units
            if (one.sign == "abnormal") == is_abnormal
        )
        for is_abnormal in (False, True)
    }
    shared[False] += sum(weight(one, False) for one in written.normal & wanted.normal)
    shared[True] += _shared_findings(written.findings, wanted.findings, weight, reader)
    return {
        "normal": Agreement(shared[False], *sums[False]),
        "abnormal": Agreement(shared[True], *sums[True]),
    }


def _shared_findings(
    written: Sequence[Finding], wanted: Sequence[Finding], weight: Weight, reader: Reader
) -> float:
    if not written or not wanted:
        return 0.0
    gain = np.array(
        [
            [
                min(weight(a.kind, True), weight(b.kind, True)) * _credit(a, b, reader)
                for b in wanted
            ]
            for a in written
        ]
    )
    return float(gain[linear_sum_assignment(gain, maximize=True)].sum())


@lru_cache(maxsize=2**16)
def _credit(one: Finding, other: Finding, reader: Reader) -> float:
    steps = detail_steps(one.stated, other.stated, reader.lexicon)
    if steps is None:
        return 0.0
    together = one.names | other.names
    alike = len(one.names & other.names) / len(together) if together else 1.0
    return max(0.0, 1.0 - DETAIL * steps) * alike
