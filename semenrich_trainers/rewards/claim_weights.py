"""What a claim weighs: all the same, by rarity, by sign, by surprise, or as given."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Mapping
from typing import Any, Literal, get_args

from semenrich_datasets.index import FindingsIndex, Unit
from semenrich_datasets.index.claims import ClaimReader
from semenrich_datasets.reading import Assertion, Lexicon
from semenrich_datasets.reading.entailment import logic_of

Weighting = Literal["rarity", "abnormal", "surprise"]

#: What one abnormal claim counts, in normal ones, with `weights="abnormal"`.
ABNORMAL_WEIGHT = 5.0


class ClaimWeights:
    """Weights of claims by an index; a callable for [`~index.claims.agree`].

    Args:
        reader ([`ClaimReader`]): Of the index whose reports are counted.
        weights (`str`, `Mapping[int, float]` or None): As of [`~rewards.ClusterReward`].

    Attributes:
        prior (`float`): What is added to what two reports claim together: with "surprise" the
            weight of the corpus's average report, else 0.

    Raises:
        `ValueError`: When `weights` is unknown, or holds a negative number or an unknown unit.
    """

    def __init__(
        self, reader: ClaimReader, weights: Weighting | Mapping[int, float] | None = None
    ) -> None:
        check_weights(weights, reader.index)
        self._by_kind: dict[Hashable, float] = {}
        self._others = {False: 1.0, True: 1.0}
        self.prior = 0.0
        if weights == "abnormal":
            self._others[True] = ABNORMAL_WEIGHT
        elif weights == "rarity":
            self._by_kind = _rarity(claim_support(reader), reader.index.config.reports)
            self._others = dict.fromkeys(self._others, max(self._by_kind.values(), default=1.0))
        elif weights == "surprise":
            self._weigh_by_surprise(reader)
        elif weights is not None:
            texts = reader.index.unit_table.column("text").to_pylist()
            for unit, weight in weights.items():
                (claims,) = reader([texts[unit]])
                self._by_kind.update({kind: float(weight) for kind, _ in claims.kinds})

    def __call__(self, kind: Hashable, is_abnormal: bool) -> float:
        """Gives the weight of a kind of claim."""
        return self._by_kind.get(kind, self._others[is_abnormal])

    def _weigh_by_surprise(self, reader: ClaimReader) -> None:
        support, reports = claim_support(reader), max(reader.index.config.reports, 1)
        shares = _shares(support, reader.index.reader.lexicon, reports)
        weights = {kind: surprise(share) for kind, share in shares.items()}
        usual = {sign: _usual(weights, support, sign) for sign in (False, True)}
        for kind, is_abnormal in support:
            # How rare a sentence is that was not understood is a matter of its words.
            if isinstance(kind, Unit):
                weights[kind] = 0.0 if kind.sign == "neutral" else usual[is_abnormal]
        # A finding that the corpus never states is as rare as its rarest.
        self._others = {False: usual[False], True: max([*weights.values(), usual[True]])}
        self._by_kind = weights
        self.prior = sum(weights[kind] * held for (kind, _), held in support.items()) / reports


def _usual(
    weights: Mapping[Hashable, float],
    support: Mapping[tuple[Hashable, bool], int],
    is_abnormal: bool,
) -> float:
    """Gives the mean weight of an understood claim of a sign, over the reports."""
    held = {kind: count for (kind, sign), count in support.items() if sign == is_abnormal}
    total = sum(held[kind] for kind in held if kind in weights)
    return sum(weights[kind] * held[kind] for kind in held if kind in weights) / max(total, 1)


def surprise(share: float) -> float:
    """Gives how much a claim tells, by how often it holds: the focal loss of a guess.

    w = -log2(p) (1 - p)^2 with p the share of the reports in which it holds (Lin et al., Focal Loss
    for Dense Object Detection, ICCV 2017, with its gamma of 2): 0 for what always holds, 0.0015 at
    0.9, 0.25 at a half, 2.7 at a tenth, 6.5 at a hundredth.
    """
    return -math.log2(share) * (1.0 - share) ** 2


def _shares(
    support: Mapping[tuple[Hashable, bool], int], lexicon: Lexicon, reports: int
) -> dict[Hashable, float]:
    """Gives how often each understood claim holds.

    A finding holds in the reports that state it: who does not speak of it does not see it. A denial
    holds in all but those that state what it denies, however few make it: "no large effusion" tells
    no more than "no effusion" does.
    """
    shares: dict[Hashable, float] = {}
    stated = [
        (logic_of([Assertion(kind[0], "present")], lexicon).excludes, held)
        for (kind, is_abnormal), held in support.items()
        if isinstance(kind, tuple) and is_abnormal and not isinstance(kind, Unit)
    ]
    for (kind, is_abnormal), held in support.items():
        if isinstance(kind, Assertion):
            denies = logic_of([kind], lexicon).denies
            against = sum(others for excludes, others in stated if excludes & denies)
            # Units of one report are counted each: more than all can't deny it.
            shares[kind] = max(1 - against / reports, 1 / (reports + 1))
        elif is_abnormal and not isinstance(kind, Unit):
            shares[kind] = held / reports
    return shares


def _rarity(support: Mapping[tuple[Hashable, bool], int], reports: int) -> dict[Hashable, float]:
    return {kind: math.log1p(reports / held) for (kind, _), held in support.items()}


def claim_support(reader: ClaimReader) -> Counter[tuple[Hashable, bool]]:
    """Counts the reports of an index that make each kind of claim.

    Args:
        reader ([`ClaimReader`]): Of the index.

    Returns:
        `Counter`: Kind and whether it is abnormal -> reports, from 1 to all, as far as units tell:
        one report with two units of a kind counts twice.
    """
    table = reader.index.unit_table
    texts, support = (table.column(name).to_pylist() for name in ("text", "support"))
    counts: Counter[tuple[Hashable, bool]] = Counter()
    for claims, held in zip(reader(texts), support, strict=True):
        for kind in claims.kinds:
            counts[kind] += held
    reports = max(reader.index.config.reports, 1)
    return Counter({kind: min(max(held, 1), reports) for kind, held in counts.items()})


def check_weights(weights: Any, index: FindingsIndex) -> None:
    """Raises `ValueError` where weights are unknown, negative or of unknown units."""
    if weights in (None, *get_args(Weighting)):
        return
    if not isinstance(weights, Mapping):
        names = ", ".join(map(repr, get_args(Weighting)))
        raise ValueError(f"expected weights to be {names} or a mapping, found {weights!r}")
    units = range(index.unit_table.num_rows)
    for unit, weight in weights.items():
        if unit not in units or not weight >= 0 or math.isinf(weight):
            msg = (
                f"expected weights of 0 or more for units 0 to {len(units) - 1}, found "
                f"{weight!r} for {unit!r}"
            )
            raise ValueError(msg)
