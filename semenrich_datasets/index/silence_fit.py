"""Fits the silence model on a corpus, cross-fitted: each part of it is told by the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from semenrich_datasets.index.counting import SentenceCounts
from semenrich_datasets.index.progress import stage_bar
from semenrich_datasets.index.silence import (
    FOLDS,
    NO_CONTEXT,
    NO_HISTORY,
    UNSAID_ABNORMAL,
    LogOdds,
    SilenceModel,
    TopicCounts,
    sentence_features,
)
from semenrich_datasets.index.silence_images import image_scaling, learn_unsaid
from semenrich_datasets.index.topics import ABNORMAL, NORMAL, SILENT, Topic, Topics
from semenrich_datasets.reading import Reader

# Reports from which a topic is learned, of each kind; with fewer it keeps to its prior.
_FEWEST = 10
# Reports that hold a feature; what fewer hold tells more of a patient than of patients.
_LEAST_REPORTS = 5
# Of a word that the lexicon does not know, which may be a name.
_LEAST_REPORTS_UNKNOWN = 20
# More reports than these teach little more.
_MOST_REPORTS = 30_000
# Inverse strength of the ridge penalty.
_RIDGE = 0.1
# A calibration that is flatter found nothing to learn.
_LEAST_SLOPE = 0.2
# One that is steeper trusts a handful of reports.
_MOST_SLOPE = 2.0
_DECIMALS = 4


def fit_silence(
    counts: SentenceCounts,
    reader: Reader,
    topics: Sequence[Topic],
    images: NDArray[np.float32] | None = None,
    *,
    show_progress: bool = False,
) -> SilenceModel:
    """Fits the silence model.

    Args:
        counts ([`SentenceCounts`]): Of the corpus.
        reader ([`Reader`]): What reads its sentences.
        topics (`Sequence[Topic]` of length `t`): The denials that additions make.
        images (`np.ndarray` of shape `(n_reports, d)`, float32, *optional*): Embedding of the image
            of each report; NaN where it has none.
        show_progress (`bool`, *optional*, defaults to `False`): Whether to show a progress bar.

    Returns:
        [`SilenceModel`]: The same whatever the order of the reports.
    """
    if not topics:
        none = np.zeros(0, np.int64)
        empty = LogOdds(
            np.zeros((1 + FOLDS, 0, 0), np.float32),
            np.zeros((1 + FOLDS, 0), np.float32),
            none.astype(bool),
            none.astype(np.float64),
        )
        return SilenceModel((), TopicCounts(none, none, none), (), empty)
    study = Studies(counts, reader, topics)
    features = study.features()
    table = study.feature_table(features)

    def rest(topic: int) -> sparse.csr_matrix:
        return _as_matrix(study.rest(topic) @ table)

    text = _fit(rest, study.stance, study.folds, show_progress)
    parts = (tuple(topics), study.counts(), tuple(features), text)
    if images is None:
        return SilenceModel(*parts)
    scaling = image_scaling(images)
    shown = ((images - scaling[0]) * scaling[1])[study.order]
    seen = np.isfinite(shown).all(axis=1)

    def both(topic: int) -> sparse.csr_matrix:
        return sparse.csr_matrix(sparse.hstack([rest(topic)[seen], shown[seen]]))

    stance, folds = study.stance[seen], study.folds[seen]
    unsaid = learn_unsaid(shown[seen], stance, folds)
    return SilenceModel(
        *parts,
        image=_fit(both, stance, folds, show_progress),
        scaling=scaling,
        # What looks smaller is missed: less than is assumed without images is never believed.
        unsaid=max(unsaid or 0.0, UNSAID_ABNORMAL),
    )


class Studies:
    """The reports of a corpus as matrices, in an order of their own.

    `held` tells which report holds which sentence; a sentence of a history is another one than the
    same words in a report.
    """

    def __init__(self, counts: SentenceCounts, reader: Reader, topics: Sequence[Topic]) -> None:
        # Sums of floats depend on their order, and the digest may not depend on the reports' order.
        self.order = np.argsort(counts.digests, kind="stable")[:_MOST_REPORTS]
        parts = (counts.findings, counts.context, counts.history)
        held = sparse.hstack([part.matrix(counts.n_reports)[self.order] for part in parts]).tocsr()
        # Of a large corpus most sentences are in none of these reports, and need not be read.
        rows = np.flatnonzero(np.bincount(held.indices, minlength=held.shape[1]))
        self.held = sparse.csr_array(held[:, rows])
        self.folds = counts.folds[self.order]
        sentences = [one for part in parts for one in part.sentences]
        self.readings = [reader.read(sentences[row]) for row in rows.tolist()]
        self.of_history = rows >= len(sentences) - len(counts.history.sentences)
        self._vocabulary = reader.lexicon.vocabulary
        said = Topics(topics, reader.lexicon).stances(self.readings)
        self.speaks = said > SILENT
        self.stance = self._stances(np.where(self.of_history[:, None], SILENT, said), topics)

    def _stances(self, said: NDArray[np.int8], topics: Sequence[Topic]) -> NDArray[np.int8]:
        """Returns the stance of each report: the highest of its sentences, the history apart."""
        found = np.zeros((self.held.shape[0], len(topics)), dtype=np.int8)
        for level in range(SILENT + 1, ABNORMAL + 1):
            there = (self.held @ sparse.csr_array((said == level).astype(np.int64))).toarray() > 0
            found[there] = level
        return found

    def counts(self) -> TopicCounts:
        """Gives the reports by what they say on each topic."""
        levels = (NORMAL, ABNORMAL, SILENT)
        return TopicCounts(
            *((self.stance == level).sum(axis=0).astype(np.int64) for level in levels)
        )

    def features(self) -> dict[str, int]:
        """Gives the features that enough reports hold, numbered by name."""
        names = [
            set(sentence_features(reading, history=bool(past)))
            for reading, past in zip(self.readings, self.of_history, strict=True)
        ]
        names = [self._placeholders(row) or found for row, found in enumerate(names)]
        self._names = names
        every = sorted(set().union(*names))
        table = _indicator(names, {name: number for number, name in enumerate(every)})
        reports = np.asarray((self.held @ table > 0).sum(axis=0)).ravel()
        kept = [
            name for name, count in zip(every, reports, strict=True) if count >= self._least(name)
        ]
        return {name: number for number, name in enumerate(kept)}

    def _least(self, feature: str) -> int:
        """Returns how many reports must hold a feature."""
        _, quote, word = feature.partition('"')
        unknown = quote and word.removesuffix('"') not in self._vocabulary
        return _LEAST_REPORTS_UNKNOWN if unknown else _LEAST_REPORTS

    def _placeholders(self, row: int) -> set[str] | None:
        """Returns the feature of an empty text, which stands for a column without one."""
        if self.readings[row].text:
            return None
        return {NO_HISTORY if self.of_history[row] else NO_CONTEXT}

    def feature_table(self, features: dict[str, int]) -> sparse.csr_array:
        """Gives the features of each sentence, shape `(n_sentences, n_features)`."""
        return _indicator(self._names, features)

    def rest(self, topic: int) -> sparse.csr_array:
        """Gives which report holds which sentence that does not speak of a topic."""
        kept = self.held.copy()
        kept.data = kept.data * ~self.speaks[kept.indices, topic]
        kept.eliminate_zeros()
        return kept


def _indicator(names: Sequence[set[str]], numbers: dict[str, int]) -> sparse.csr_array:
    """Returns 1 where a row has a feature."""
    rows = [sorted(numbers[name] for name in found if name in numbers) for found in names]
    indptr = np.cumsum([0, *map(len, rows)])
    indices = np.array([place for row in rows for place in row], dtype=np.int64)
    shape = (len(rows), len(numbers))
    return sparse.csr_array((np.ones(len(indices), dtype=np.int64), indices, indptr), shape=shape)


def _fit(
    table_of: Callable[[int], sparse.csr_matrix],
    stance: NDArray[np.int8],
    folds: NDArray[np.int64],
    show_progress: bool,
) -> LogOdds:
    """Fits the odds of stated abnormal to silent reports; one topic's matrix at a time."""
    bar = stage_bar("Silence", range(stance.shape[1]), unit="topics", show=show_progress)
    fitted = [_fit_topic(table_of(t), stance[:, t], folds) for t in bar]
    weights, intercepts, learned, auroc = zip(*fitted, strict=True)
    return LogOdds(
        np.stack(weights, axis=-1).round(_DECIMALS).astype(np.float32),
        np.stack(intercepts, axis=-1).round(_DECIMALS).astype(np.float32),
        np.array(learned, dtype=bool),
        np.array(auroc, dtype=np.float64).round(_DECIMALS),
    )


def _fit_topic(
    table: sparse.csr_matrix, stance: NDArray[np.int8], folds: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], bool, float]:
    """Returns weights `(1 + FOLDS, n)`, intercepts, whether they were learned, and the AUROC."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score

    told = (stance == ABNORMAL) | (stance == SILENT)
    rows, target = table[told], (stance[told] == ABNORMAL).astype(np.int64)
    parts = folds[told]
    weights = np.zeros((1 + FOLDS, table.shape[1]))
    prior = np.log((target.sum() + 1) / ((target == 0).sum() + 1))
    flat = (np.zeros_like(weights), np.full(1 + FOLDS, prior), False, float("nan"))
    trained = [target, *(target[parts != fold] for fold in range(1, FOLDS + 1))]
    if min(target.sum(), (target == 0).sum()) < _FEWEST or any(len(set(y)) < 2 for y in trained):
        return flat
    starts, held_out = np.zeros(1 + FOLDS), np.zeros(len(target))
    for fold, y in enumerate(trained):
        model = LogisticRegression(C=_RIDGE, solver="liblinear").fit(
            rows if fold == 0 else rows[parts != fold], y
        )
        weights[fold], starts[fold] = model.coef_[0], model.intercept_[0]
        if fold and (parts == fold).any():
            held_out[parts == fold] = model.decision_function(rows[parts == fold])
    # Platt's calibration on what each model has not seen.
    platt = LogisticRegression(C=1e6).fit(held_out[:, None], target)
    slope, shift = float(platt.coef_[0, 0]), float(platt.intercept_[0])
    if slope < _LEAST_SLOPE:
        return flat
    slope = min(slope, _MOST_SLOPE)
    return slope * weights, slope * starts + shift, True, float(roc_auc_score(target, held_out))


def _as_matrix(table: sparse.csr_array) -> sparse.csr_matrix:
    """Returns 0 and 1 in the form that scikit-learn takes: with indices of 32 bits."""
    matrix = sparse.csr_matrix(table, dtype=np.float64)
    matrix.data[:] = 1.0
    matrix.indices = matrix.indices.astype(np.int32)
    matrix.indptr = matrix.indptr.astype(np.int32)
    return matrix
