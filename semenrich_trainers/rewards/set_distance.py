"""Set-distance rewards: how near the model's sentences are to the report's, as sets."""

from __future__ import annotations

from collections.abc import Sequence

from semenrich_datasets.index.embedding import Encoder
from semenrich_datasets.index.recorded_names import RecordedName
from semenrich_datasets.reading import Reader
from semenrich_trainers.rewards.sections import SectionReward
from semenrich_trainers.sentence_vectors import SentenceVectors
from semenrich_trainers.set_distance import DISTANCES, Distance, set_similarity


class SetDistanceReward(SectionReward):
    """Similarity of two sets of sentences by their embeddings, findings plus impression: 0 to 2.

    SDR, arXiv 2606.00440, with sentence vectors in which opposites are orthogonal
    ([`SentenceVectors`]): max(0, 1 - d) of the symmetric Chamfer or optimal matching distance, or
    max(0, 1 - d / 2) of the energy distance ([`~set_distance.set_similarity`]). An empty section
    gives 0. Order and repetition of sentences do not count.

    Args:
        distance (`str`, *optional*, defaults to `"chamfer"`): "chamfer", "matching" or "energy".
        encoder (`Encoder`, `str` or `RecordedName`, *optional*): Of sentences; all-MiniLM-L6-v2 by
            default.
        reader ([`Reader`], *optional*): Tells signs and sides; the chest X-ray one by default.
        findings_column (`str`, *optional*, defaults to `"findings"`): Column of the reference
            findings.
        impression_column (`str` or `None`, *optional*, defaults to `"impression"`): Column of the
            reference impression; None to compare the findings alone.

    Raises:
        `ValueError`: When the distance is unknown.
    """

    def __init__(
        self,
        distance: Distance = "chamfer",
        encoder: Encoder | str | RecordedName | None = None,
        reader: Reader | None = None,
        *,
        findings_column: str = "findings",
        impression_column: str | None = "impression",
    ) -> None:
        if distance not in DISTANCES:
            msg = f"expected distance to be one of {', '.join(DISTANCES)}, found {distance!r}"
            raise ValueError(msg)
        super().__init__(findings_column, impression_column)
        self.distance = distance
        self.vectors = SentenceVectors(encoder, reader)
        self.__name__ = f"{distance}_reward"

    def score(
        self, generated: Sequence[str], references: Sequence[str], section: str
    ) -> list[float]:
        """Gives the similarity of each pair, 0 to 1."""
        sets = self.vectors([*generated, *references])
        pairs = zip(sets[: len(generated)], sets[len(generated) :], strict=True)
        return [set_similarity(left, right, self.distance) for left, right in pairs]
