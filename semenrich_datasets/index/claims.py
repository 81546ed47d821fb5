"""What a report claims, in a form that can be held against another report's, with part credit."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.optimize import linear_sum_assignment

from semenrich_datasets.index.findings_index import FindingsIndex
from semenrich_datasets.index.units import Unit
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

    def __str__(self) -> str:
        """Writes it for a reader: "slight left pleural_effusion"."""
        names = f" ({', '.join(sorted(self.names))})" if self.names else ""
        return f"{self.stated}{names}"


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

#: A kind of claim, all of it in words, and how much of it the other text shares, 0 to 1.
Shared = tuple[Hashable, str, float]


def shared_claims(
    written: Claims, wanted: Claims, weight: Weight, reader: Reader
) -> tuple[list[Shared], list[Shared]]:
    """Holds what one text claims against what another claims, claim by claim.

    Normal claims and units are shared or not. Findings are paired one to one, so that most weight
    is shared, and a pair is shared by 1 - 0.25 steps, by the steps of
    [`~reading.finding_score.finding_score`]: the wrong side 4 steps, one of two sides 2, a side
    that one alone names 1; a degree beside it 1, one that one alone names 0.5; "may be" 0.5; a kind
    of it 1. The names of a wider concept take their share: a pacemaker is no central line.

    Args:
        written ([`Claims`]): What was written.
        wanted ([`Claims`]): What should have been.
        weight (`Callable`): Weight of a kind of claim, and whether it is abnormal.
        reader ([`Reader`]): That both were read by.

    Returns:
        `tuple[list, list]`: The claims of both, in the order of [`Claims.kinds`], each with how
        much of it is shared.
    """
    pairs = _pair_findings(written.findings, wanted.findings, weight, reader)
    rows = {row: credit for row, _, credit, _ in pairs}
    columns = {column: credit for _, column, credit, _ in pairs}
    return _side(written, wanted, rows), _side(wanted, written, columns)


def _side(one: Claims, other: Claims, credits: dict[int, float]) -> list[Shared]:
    return [
        *((claim, str(claim), float(claim in other.normal)) for claim in one.normal),
        *(
            (found.kind, str(found), credits.get(row, 0.0))
            for row, found in enumerate(one.findings)
        ),
        *((unit, unit.content, float(unit in other.units)) for unit in one.units),
    ]


def agree(written: Claims, wanted: Claims, weight: Weight, reader: Reader) -> dict[str, Agreement]:
    """Sums up what two texts share, by sign.

    Args:
        written ([`Claims`]): What was written.
        wanted ([`Claims`]): What should have been.
        weight (`Callable`): Weight of a kind of claim, and whether it is abnormal.
        reader ([`Reader`]): That both were read by.

    Returns:
        `dict[str, Agreement]`: "normal" (neutral units too) and "abnormal". A pair of findings
        shares the lesser of its weights.
    """
    pairs = _pair_findings(written.findings, wanted.findings, weight, reader)
    sums = {
        sign: [
            sum(weight(kind, sign) for kind, one_sign in one.kinds if one_sign == sign)
            for one in (written, wanted)
        ]
        for sign in (False, True)
    }
    shared = {
        sign: sum(
            weight(one, sign)
            for one in written.units & wanted.units
            if (one.sign == "abnormal") == sign
        )
        for sign in (False, True)
    }
    shared[False] += sum(weight(one, False) for one in written.normal & wanted.normal)
    shared[True] += sum(gain for _, _, _, gain in pairs)
    return {
        "normal": Agreement(shared[False], *sums[False]),
        "abnormal": Agreement(shared[True], *sums[True]),
    }


def _pair_findings(
    written: Sequence[Finding], wanted: Sequence[Finding], weight: Weight, reader: Reader
) -> list[tuple[int, int, float, float]]:
    """Row, column, credit and shared weight of each pair."""
    if not written or not wanted:
        return []
    credit = np.array([[_credit(a, b, reader) for b in wanted] for a in written])
    weights = [[weight(one.kind, True) for one in side] for side in (written, wanted)]
    gain = credit * np.minimum.outer(*map(np.array, weights))
    chosen = zip(*linear_sum_assignment(gain, maximize=True), strict=True)
    return [(int(a), int(b), float(credit[a, b]), float(gain[a, b])) for a, b in chosen]


@lru_cache(maxsize=2**16)
def _credit(one: Finding, other: Finding, reader: Reader) -> float:
    steps = detail_steps(one.stated, other.stated, reader.lexicon)
    if steps is None:
        return 0.0
    together = one.names | other.names
    alike = len(one.names & other.names) / len(together) if together else 1.0
    return max(0.0, 1.0 - DETAIL * steps) * alike
