"""What a report claims, in a form that can be held against another report's, with part credit."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from scipy.optimize import linear_sum_assignment

from semenrich_datasets.index.findings_index import FindingsIndex
from semenrich_datasets.index.units import Unit
from semenrich_datasets.reading import Assertion, Reader, Reading
from semenrich_datasets.reading.entailment import entailed_denials, logic_of
from semenrich_datasets.reading.finding_score import DEFAULT_COSTS, detail_steps
from semenrich_datasets.reading.stated import StatedFinding, gather_findings, stated_findings

# Texts that are remembered; in GRPO the references and the common reports come again and again.
_MEMORY = 2**14


@dataclass(frozen=True)
class Finding:
    """An abnormal finding of a report.

    Args:
        stated ([`StatedFinding`]): What, how sure, where and how much; on one side or on none that
            is said: what is bilateral is two findings.
        name (`str`): Where its concept is wider than one thing: "pacemaker" and "central line" are
            both a device.
    """

    stated: StatedFinding
    name: str = ""

    @property
    def kind(self) -> Hashable:
        """What it is, wherever and however much of it there is."""
        return self.stated.concept, self.name

    def __str__(self) -> str:
        """Writes it for a reader: "slight left pleural_effusion"."""
        return f"{self.stated} ({self.name})" if self.name else str(self.stated)


@dataclass(frozen=True)
class Claims:
    """What a text claims.

    Args:
        normal (`frozenset[Assertion]`): What it denies or calls normal, one by one: "No effusion or
            pneumothorax." claims what "No effusion. No pneumothorax." does.
        findings (`tuple[Finding, ...]`): What it finds.
        units (`frozenset[Unit]`): The units of those of its sentences that the reader does not
            understand, or that speak of the change of a finding.
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
        read: dict[str, _Sentence] = {}
        if self.index.config.preset != "paper":
            reader = self.index.reader
            read = {
                sentence: _read_sentence(reader.read(sentence), reader) for sentence in distinct
            }
        opaque = [one for one in distinct if one not in read or read[one].is_opaque]
        units = dict(zip(opaque, self.index.units(opaque), strict=True)) if opaque else {}
        return [
            Claims(
                frozenset(
                    one for sentence in cut if sentence in read for one in read[sentence].normal
                ),
                _gathered(
                    one for sentence in cut if sentence in read for one in read[sentence].findings
                ),
                frozenset(units[sentence] for sentence in cut if sentence in units),
            )
            for cut in split
        ]


@dataclass(frozen=True)
class _Sentence:
    """What a sentence claims, and whether it says more that its unit must stand for."""

    normal: frozenset[Assertion] = frozenset()
    findings: tuple[Finding, ...] = ()
    is_opaque: bool = True


def _read_sentence(reading: Reading, reader: Reader) -> _Sentence:
    # "Stable cardiomegaly" has no content, for change is a part of it: its finding is read alone.
    says_change = reading.content is None and reading.understood and reading.sign == "abnormal"
    said = reading.assertions if says_change else reading.content or ()
    findings = _findings_of(reading, reader) if any(one.is_abnormal for one in said) else ()
    if not said or (not findings and any(one.is_abnormal for one in said)):
        return _Sentence()
    normal = frozenset(one for one in said if not one.is_abnormal)
    return _Sentence(normal, findings, is_opaque=says_change)


def _findings_of(reading: Reading, reader: Reader) -> tuple[Finding, ...]:
    names: dict[str, list[str]] = {}
    for one in reading.assertions:
        if one.is_abnormal and one.name:
            names.setdefault(one.concept, []).append(one.name)
    return tuple(
        Finding(replace(stated, sides=sides), name)
        for stated in stated_findings([reading], reader.lexicon)
        for name in names.get(stated.concept, [""])
        for sides in ([frozenset({side}) for side in sorted(stated.sides)] or [stated.sides])
    )


def _gathered(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Puts statements of one thing together: "Effusion. Small left effusion." is one finding."""
    by_name: dict[str, list[StatedFinding]] = {}
    for one in findings:
        by_name.setdefault(one.name, []).append(one.stated)
    return tuple(
        Finding(stated, name)
        for name, same in sorted(by_name.items())
        for stated in gather_findings(same)
    )


@lru_cache(maxsize=2**14)
def contradicted(claims: Claims, reader: Reader) -> frozenset[Hashable]:
    """Gives the kinds of claims that a text makes and takes back, as in "Effusion. No effusion.".

    Args:
        claims ([`Claims`]): Of one text.
        reader ([`Reader`]): That it was read by.

    Returns:
        `frozenset`: Of findings that are denied, and of the denials that do so.
    """
    lexicon = reader.lexicon
    stated = [
        (one.kind, logic_of([Assertion(one.stated.concept, "present", side)], lexicon))
        for one in claims.findings
        for side in (one.stated.sides or (None,))
    ]
    taken_back: set[Hashable] = set()
    for denial in claims.normal:
        denied = entailed_denials(denial, lexicon)
        against = [kind for kind, logic in stated if logic.states & denied]
        if against:
            taken_back.update((denial, *against))
    return frozenset(taken_back)


@dataclass(frozen=True)
class Overlap:
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

    def __add__(self, other: Overlap) -> Overlap:
        """Of both pairs together."""
        return Overlap(
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
    [`~reading.finding_score.finding_score`]: the wrong side 4 steps, a side that one alone names 1;
    a degree beside it 1, one that one alone names 0.5; "may be" 0.5; a kind of it 1. Of a wider
    concept the name must be the same: a pacemaker is no central line. What a text takes back itself
    ([`contradicted`]) it shares with nobody but with who does so too.

    Args:
        written ([`Claims`]): What was written.
        wanted ([`Claims`]): What should have been.
        weight (`Callable`): Weight of a kind of claim, and whether it is abnormal.
        reader ([`Reader`]): That both were read by.

    Returns:
        `tuple[list, list]`: The claims of both, in the order of [`Claims.kinds`], each with how
        much of it is shared.
    """
    pairs = _pair_findings(written, wanted, weight, reader)
    empty = _empty_words(written, wanted, reader)
    rows = {row: credit for row, _, credit, _ in pairs}
    columns = {column: credit for _, column, credit, _ in pairs}
    return _side(written, wanted, rows, empty), _side(wanted, written, columns, empty)


def _side(
    one: Claims, other: Claims, credits: dict[int, float], empty: frozenset[Hashable]
) -> list[Shared]:
    return [
        *((claim, str(claim), float(claim in other.normal - empty)) for claim in one.normal),
        *(
            (found.kind, str(found), credits.get(row, 0.0))
            for row, found in enumerate(one.findings)
        ),
        *((unit, unit.content, float(unit in other.units)) for unit in one.units),
    ]


def agree(written: Claims, wanted: Claims, weight: Weight, reader: Reader) -> dict[str, Overlap]:
    """Sums up what two texts share, by sign.

    Args:
        written ([`Claims`]): What was written.
        wanted ([`Claims`]): What should have been.
        weight (`Callable`): Weight of a kind of claim, and whether it is abnormal.
        reader ([`Reader`]): That both were read by.

    Returns:
        `dict[str, Overlap]`: "normal" (neutral units too) and "abnormal". A pair of findings
        shares the lesser of its weights.
    """
    pairs = _pair_findings(written, wanted, weight, reader)
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
    both = (written.normal & wanted.normal) - _empty_words(written, wanted, reader)
    shared[False] += sum(weight(one, False) for one in both)
    shared[True] += sum(gain for _, _, _, gain in pairs)
    return {
        "normal": Overlap(shared[False], *sums[False]),
        "abnormal": Overlap(shared[True], *sums[True]),
    }


def _empty_words(written: Claims, wanted: Claims, reader: Reader) -> frozenset[Hashable]:
    return contradicted(written, reader) - contradicted(wanted, reader)


def _pair_findings(
    written: Claims, wanted: Claims, weight: Weight, reader: Reader
) -> list[tuple[int, int, float, float]]:
    """Row, column, credit and shared weight of each pair."""
    if not written.findings or not wanted.findings:
        return []
    empty = _empty_words(written, wanted, reader)
    credit = np.array(
        [
            [0.0 if a.kind in empty else _credit(a, b, reader) for b in wanted.findings]
            for a in written.findings
        ]
    )
    weights = [[weight(one.kind, True) for one in side.findings] for side in (written, wanted)]
    gain = credit * np.minimum.outer(*map(np.array, weights))
    chosen = zip(*linear_sum_assignment(gain, maximize=True), strict=True)
    return [(int(a), int(b), float(credit[a, b]), float(gain[a, b])) for a, b in chosen]


@lru_cache(maxsize=2**16)
def _credit(one: Finding, other: Finding, reader: Reader) -> float:
    steps = detail_steps(one.stated, other.stated, reader.lexicon)
    if steps is None or (one.name != other.name and one.stated.concept == other.stated.concept):
        return 0.0
    return max(0.0, 1.0 - DEFAULT_COSTS.detail * steps)
