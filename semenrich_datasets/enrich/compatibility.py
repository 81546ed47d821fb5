"""Which candidates may be added to one report together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from semenrich_datasets.enrich.candidates import Candidate
from semenrich_datasets.enrich.cliques import to_bits


@dataclass(frozen=True)
class Compatibility:
    """The graph of candidates that go together, as bit sets over their numbers.

    Args:
        neighbors (`tuple[int, ...]`): For each candidate those that may stand beside it.
        repeats (`tuple[int, ...]`): For each those that say a part of it again, or it of them.
        covered (`tuple[int, ...]`): For each the more usual ones that say all of it.
    """

    neighbors: tuple[int, ...]
    repeats: tuple[int, ...]
    covered: tuple[int, ...]

    @classmethod
    def of(cls, candidates: Sequence[Candidate], together: NDArray[np.bool_]) -> Compatibility:
        """Makes it of the candidates, the most usual first.

        Args:
            candidates (`Sequence[Candidate]` of length `c`): In the order of the index.
            together (`np.ndarray` of shape `(c, c)`, bool): Whether some report says both.
        """
        logics = [candidate.reading.logic for candidate in candidates]
        numbers = range(len(candidates))
        repeats = [
            to_bits([j for j in numbers if j != i and bool(logics[i].implies & logics[j].implies)])
            for i in numbers
        ]
        beside = [to_bits(np.flatnonzero(row).tolist()) for row in together]
        return cls(
            tuple(beside[i] & ~repeats[i] & ~(1 << i) for i in numbers),
            tuple(repeats),
            tuple(
                to_bits([j for j in range(i) if not logics[i].denies & ~logics[j].implies])
                for i in numbers
            ),
        )

    def broadest(self, numbers: Sequence[int]) -> list[int]:
        """Leaves out what another, more usual one of them says too.

        "No rib fracture" is a choice only where "no acute bony abnormality" is none.
        """
        within = to_bits(numbers)
        return [number for number in numbers if not self.covered[number] & within]

    def greedy(self, order: Sequence[int]) -> list[int]:
        """Takes each, in order, that goes with all taken before it."""
        taken: list[int] = []
        common = -1
        for number in order:
            if common >> number & 1:
                taken.append(number)
                common &= self.neighbors[number]
        return taken
