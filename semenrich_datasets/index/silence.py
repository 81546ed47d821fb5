"""The silence model: how likely a statement is false of a study whose report leaves it unsaid.

For each topic the reports that state an abnormality of it, with all that they say on it cut out,
are set against the reports that are silent on it. From the rest of the study a logistic regression
tells the odds of the first to the second; with the share q of abnormalities that authors leave
unsaid, Bayes' rule makes of them

    P(abnormal | silent, rest) = q / (1 - q) * P(stated abnormal | rest) / P(silent | rest).

This is learning from stated and unlabelled examples (Elkan and Noto, KDD 2008); the authors' habit
of silence is in it, as a topic on which nearly everybody speaks has few silent reports.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from semenrich_datasets.index.topics import Topic
from semenrich_datasets.reading import Reading
from semenrich_datasets.reading.lexicon_entries import tokenize

#: Share of abnormalities that authors are taken to leave unsaid, where no image can tell.
UNSAID_ABNORMAL = 0.05
#: Parts of the corpus: the model of a part has seen the reports of the others.
FOLDS = 5

NO_CONTEXT, NO_HISTORY, IMAGE = "no impression", "no history", "the image"
TOPIC_SCHEMA = pa.schema(
    [
        ("concept", pa.string()),
        ("narrowing", pa.string()),
        ("normal", pa.int64()),
        ("abnormal", pa.int64()),
        ("silent", pa.int64()),
        ("learned", pa.bool_()),
        ("auroc", pa.float64()),
        ("intercepts", pa.list_(pa.float32())),
        ("image_learned", pa.bool_()),
        ("image_auroc", pa.float64()),
        ("image_intercepts", pa.list_(pa.float32())),
    ]
)
WEIGHT_SCHEMA = pa.schema(
    [
        ("feature", pa.string()),
        ("weights", pa.list_(pa.float32())),
        ("image_weights", pa.list_(pa.float32())),
    ]
)
SCALING_SCHEMA = pa.schema([("mean", pa.float32()), ("factor", pa.float32())])


class TopicCounts(NamedTuple):
    """Reports of the corpus by what they say on each topic; arrays of shape `(t,)`, int64."""

    normal: NDArray[np.int64]
    abnormal: NDArray[np.int64]
    silent: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class LogOdds:
    """A logistic regression for each topic, and for each part of the corpus that it has not seen.

    Args:
        weights (`np.ndarray` of shape `(1 + FOLDS, n_features, t)`, float32): Of features that are
            there or not. The first is fitted on all reports, the others without those of a part.
        intercepts (`np.ndarray` of shape `(1 + FOLDS, t)`, float32): Likewise.
        learned (`np.ndarray` of shape `(t,)`, bool): False where there were too few reports; then
            the weights are 0 and the intercept is the prior.
        auroc (`np.ndarray` of shape `(t,)`, float64): Of stated abnormal against silent reports,
            held out; NaN where it was not learned.
    """

    weights: NDArray[np.float32]
    intercepts: NDArray[np.float32]
    learned: NDArray[np.bool_]
    auroc: NDArray[np.float64]


class Influence(NamedTuple):
    """What raises or lowers the odds that an unsaid abnormality is there.

    Args:
        feature (`str`): Such as `history "fall"`.
        factor (`float`): By which it multiplies the odds.
    """

    feature: str
    factor: float

    def __str__(self) -> str:
        """Writes it: `history "fall" x2.4`."""
        return f"{self.feature} \u00d7{self.factor:.2g}"


@dataclass(frozen=True, eq=False)
class SilenceModel:
    """How likely each topic is abnormal in a study whose report is silent on it.

    Args:
        topics (`tuple[Topic, ...]` of length `t`): The denials that additions make.
        counts ([`TopicCounts`]): Of the corpus.
        features (`tuple[str, ...]`): What may stand in the rest of a study.
        text (`LogOdds`): From the texts alone.
        image (`LogOdds` or `None`): From texts and image, where the index was built with images;
            the last of its features are the dimensions of the image.
        scaling (`np.ndarray` of shape `(2, d)`, float32): What makes features of the embedding of
            an image: it less the first row, times the second. `d` is 0 without images.
        unsaid (`float`): Share of abnormalities left unsaid: assumed, or learned from images.
    """

    topics: tuple[Topic, ...]
    counts: TopicCounts
    features: tuple[str, ...]
    text: LogOdds
    image: LogOdds | None = None
    scaling: NDArray[np.float32] = field(default_factory=lambda: np.zeros((2, 0), np.float32))
    unsaid: float = UNSAID_ABNORMAL

    @cached_property
    def numbers(self) -> dict[str, int]:
        """Place of each feature."""
        return {feature: number for number, feature in enumerate(self.features)}

    @cached_property
    def _known(self) -> dict[tuple[str, bool], tuple[int, ...]]:
        """Features of the sentences met so far, by text and whether it is history."""
        return {}

    def rest(
        self,
        findings: Iterable[Reading],
        context: Iterable[Reading],
        history: Iterable[Reading],
    ) -> list[int]:
        """Gives the features of a study, by number, each once, ascending.

        Args:
            findings (`Iterable[Reading]`): The sentences of its findings.
            context (`Iterable[Reading]`): Those of its other texts on the image.
            history (`Iterable[Reading]`): Those of its indication.

        Returns:
            `list[int]`: Places in `features`.
        """
        found: set[int] = set()
        for reading in findings:
            found.update(self._numbers_of(reading, False))
        told = False
        for reading in context:
            found.update(self._numbers_of(reading, False))
            told = True
        asked = False
        for reading in history:
            found.update(self._numbers_of(reading, True))
            asked = True
        missing = ([] if told else [NO_CONTEXT]) + ([] if asked else [NO_HISTORY])
        found.update(self.numbers[name] for name in missing if name in self.numbers)
        return sorted(found)

    def _numbers_of(self, reading: Reading, history: bool) -> tuple[int, ...]:
        key = (reading.text, history)
        known = self._known.get(key)
        if known is None:
            names = sentence_features(reading, history=history)
            places = {self.numbers[name] for name in names if name in self.numbers}
            known = self._known[key] = tuple(sorted(places))
        return known

    def log_odds(
        self, rest: Sequence[int], image: NDArray[np.float32] | None = None, fold: int = 0
    ) -> NDArray[np.float64]:
        """Gives the logarithm of P(stated abnormal | rest) / P(silent | rest).

        Args:
            rest (`Sequence[int]`): The features of a study ([`SilenceModel.rest`]).
            image (`np.ndarray` of shape `(d,)`, float32, *optional*): Embedding of its image.
            fold (`int`, *optional*, defaults to `0`): The part of the corpus that the model must
                not have seen, from 1 to `FOLDS`; 0 for the model of all.

        Returns:
            `np.ndarray` of shape `(t,)`, float64.
        """
        weights, start = self.text.weights[fold], self.text.intercepts[fold]
        by_text = np.asarray(start + weights[rest].sum(axis=0, dtype=np.float64))
        shown = self._shown(image)
        if self.image is None or shown is None:
            return by_text
        weights, start = self.image.weights[fold], self.image.intercepts[fold]
        told = weights[rest].sum(axis=0, dtype=np.float64)
        by_image = start + told + shown @ weights[len(self.features) :]
        # The prior of a topic that images did not teach knows less than the texts.
        return np.where(self.image.learned, by_image, by_text)

    def _shown(self, image: NDArray[np.float32] | None) -> NDArray[np.float32] | None:
        """Returns the features of an image; None where there is none, or it could not be read."""
        if self.image is None or image is None or not np.isfinite(image).all():
            return None
        return np.asarray((image - self.scaling[0]) * self.scaling[1], dtype=np.float32)

    def risk(
        self, log_odds: NDArray[np.float64], unsaid: float | None = None
    ) -> NDArray[np.float64]:
        """Gives P(abnormal | silent, rest), in 0..1, of each topic.

        Args:
            log_odds (`np.ndarray` of shape `(t,)`): Of [`SilenceModel.log_odds`].
            unsaid (`float`, *optional*): Share of abnormalities that authors leave unsaid; that of
                the index by default.
        """
        share = self.unsaid if unsaid is None else unsaid
        odds = share / (1.0 - share) * np.exp(np.minimum(log_odds, 50.0))
        return np.minimum(odds, 1.0)

    def explain(
        self,
        rest: Sequence[int],
        topic: int,
        image: NDArray[np.float32] | None = None,
        fold: int = 0,
        most: int = 3,
    ) -> list[Influence]:
        """Gives what moves the odds of a topic most in a study, the strongest first."""
        taught = self.image is not None and self.image.learned[topic]
        shown = self._shown(image) if taught else None
        model = self.text if self.image is None or shown is None else self.image
        column = model.weights[fold][:, topic]
        moved = [(float(column[number]), self.features[number]) for number in rest]
        if shown is not None:
            moved.append((float(shown @ column[len(self.features) :]), IMAGE))
        moved.sort(key=lambda item: (-abs(item[0]), item[1]))
        return [Influence(name, float(np.exp(weight))) for weight, name in moved[:most] if weight]


def sentence_features(reading: Reading, *, history: bool) -> Iterator[str]:
    """Yields what a sentence adds to the rest of a study, some of it repeatedly.

    Its assertions, what they speak of, and its words: those of sentences that were not understood
    count too.
    """
    prefix = "history " if history else ""
    for said in reading.assertions:
        words = (said.status, said.narrowing, said.concept)
        yield prefix + " ".join(word for word in words if word)
        yield f"{prefix}speaks of {said.concept}"
        if said.is_abnormal:
            yield f"{prefix}states an abnormality"
    for word in tokenize(reading.text):
        if word.isalpha():
            yield f'{prefix}"{word}"'


def to_tables(model: SilenceModel) -> tuple[pa.Table, pa.Table, pa.Table]:
    """Writes a model as three tables: topics, weights by feature, and the scaling of images."""
    text, image = model.text, model.image
    t = len(model.topics)
    columns = {
        "concept": [topic.concept for topic in model.topics],
        "narrowing": [topic.narrowing for topic in model.topics],
        **model.counts._asdict(),
        "learned": text.learned,
        "auroc": text.auroc,
        "intercepts": list(text.intercepts.T),
        "image_learned": image.learned if image else np.zeros(t, bool),
        "image_auroc": image.auroc if image else np.full(t, np.nan),
        "image_intercepts": list(image.intercepts.T) if image else [[]] * t,
    }
    d = model.scaling.shape[1]
    names = [*model.features, *(f"{IMAGE} {number}" for number in range(d))]
    rows = {
        "feature": names,
        "weights": [*_by_feature(text), *([[]] * d)],
        "image_weights": _by_feature(image) if image else [[]] * len(names),
    }
    scaling = pa.table({"mean": pa.array(model.scaling[0]), "factor": pa.array(model.scaling[1])})
    return _table(columns, TOPIC_SCHEMA), _table(rows, WEIGHT_SCHEMA), scaling


def _table(columns: Mapping[str, Any], schema: pa.Schema) -> pa.Table:
    arrays = [pa.array(columns[field.name], type=field.type) for field in schema]
    return pa.Table.from_arrays(arrays, schema=schema)


def _by_feature(model: LogOdds) -> list[Any]:
    folds, n_features, t = model.weights.shape
    return list(np.moveaxis(model.weights, 1, 0).reshape(n_features, folds * t))


def from_tables(
    topics: pa.Table, weights: pa.Table, scaling: pa.Table, unsaid: float
) -> SilenceModel:
    """Reads what `to_tables` wrote."""
    t = topics.num_rows
    columns = {name: topics.column(name) for name in TOPIC_SCHEMA.names}
    names = weights.column("feature").to_pylist()
    n_text = len(names) - scaling.num_rows

    def read(prefix: str, count: int) -> LogOdds:
        flat = weights.column(f"{prefix}weights").slice(0, count).combine_chunks().flatten()
        values = flat.to_numpy().reshape(count, 1 + FOLDS, t)
        starts = columns[f"{prefix}intercepts"].combine_chunks().flatten().to_numpy()
        return LogOdds(
            np.ascontiguousarray(np.moveaxis(values, 0, 1)),
            np.ascontiguousarray(starts.reshape(t, 1 + FOLDS).T),
            np.asarray(columns[f"{prefix}learned"].to_numpy(), dtype=bool),
            np.asarray(columns[f"{prefix}auroc"].to_numpy()),
        )

    pairs = zip(columns["concept"].to_pylist(), columns["narrowing"].to_pylist(), strict=True)
    return SilenceModel(
        topics=tuple(Topic(*pair) for pair in pairs),
        counts=TopicCounts(*(np.asarray(columns[n].to_numpy()) for n in TopicCounts._fields)),
        features=tuple(names[:n_text]),
        text=read("", n_text),
        image=read("image_", len(names)) if scaling.num_rows else None,
        scaling=np.stack([scaling.column(name).to_numpy() for name in ("mean", "factor")]),
        unsaid=unsaid,
    )
