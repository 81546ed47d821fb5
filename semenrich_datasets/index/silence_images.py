"""What images tell of silence: their features, and how often an abnormality is left unsaid."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from semenrich_datasets.index.topics import ABNORMAL, NORMAL, SILENT

# Reports of each kind from which the appearance of a topic is learned.
_FEWEST = 20
_ROUNDS = 200
_RIDGE = 0.1
# Held-out AUROC below which images do not show a topic.
_LEAST_AUROC = 0.8


def image_scaling(images: NDArray[np.float32]) -> NDArray[np.float32]:
    """Gives the mean and the factor that make features of embeddings.

    Between centering and standardising: a rare channel is not blown up to the size of the others.

    Args:
        images (`np.ndarray` of shape `(n, d)`, float32): Embeddings; rows of NaN are left out.

    Returns:
        `np.ndarray` of shape `(2, d)`, float32.
    """
    seen = images[np.isfinite(images).all(axis=1)].astype(np.float64)
    if len(seen) == 0:
        return np.stack([np.zeros(images.shape[1]), np.ones(images.shape[1])]).astype(np.float32)
    spread = seen.std(axis=0)
    usual = np.sqrt((spread**2).mean())
    factor = 1.0 / np.sqrt(np.maximum(spread, 1e-6 * usual + 1e-12) * (usual + 1e-12))
    return np.stack([seen.mean(axis=0), factor]).astype(np.float32)


def learn_unsaid(
    images: NDArray[np.float32], stance: NDArray[np.int8], folds: NDArray[np.int64]
) -> float | None:
    """Learns the share of abnormalities that authors leave unsaid.

    For each topic a logistic regression learns from the reports that speak of it how its
    abnormality looks. Among the images of silent reports, whose share of abnormal ones is another,
    that share is found by expectation maximisation (Saerens, Latinne and Decaestecker, Neural
    Computation 2002). It takes the images of silent reports for looking like the others of their
    kind: what is left unsaid looks smaller, which makes the share too low; images of another ward
    or scanner among the silent make it anything. An index takes it only where it is above the
    assumption.

    Args:
        images (`np.ndarray` of shape `(n, d)`, float32): Features of the images.
        stance (`np.ndarray` of shape `(n, t)`, int8): What each report says on each topic.
        folds (`np.ndarray` of shape `(n,)`, int64): Part of the corpus of each report.

    Returns:
        `float` or `None`: Over all topics together; None where no topic shows well enough.
    """
    unsaid = stated = 0.0
    for topic in range(stance.shape[1]):
        found = _unsaid_of(images, stance[:, topic], folds)
        if found is not None:
            unsaid += found
            stated += float((stance[:, topic] == ABNORMAL).sum())
    return round(unsaid / (unsaid + stated), 4) if stated else None


def _unsaid_of(
    images: NDArray[np.float32], stance: NDArray[np.int8], folds: NDArray[np.int64]
) -> float | None:
    """Returns how many abnormal studies are silent on a topic; None where it can't be told."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score

    spoken, silent = (stance == ABNORMAL) | (stance == NORMAL), stance == SILENT
    target = stance == ABNORMAL
    if min(target.sum(), (stance == NORMAL).sum(), silent.sum()) < _FEWEST:
        return None
    logits = np.zeros(len(stance))
    for fold in np.unique(folds):
        taught = spoken & (folds != fold)
        if len(set(target[taught])) < 2:
            return None
        # Newton's method: the dimensions of an encoder hang together, on which others crawl.
        model = LogisticRegression(C=_RIDGE, solver="newton-cholesky")
        model.fit(images[taught], target[taught])
        logits[folds == fold] = model.decision_function(images[folds == fold])
    if roc_auc_score(target[spoken], logits[spoken]) < _LEAST_AUROC:
        return None
    platt = LogisticRegression(C=1e6).fit(logits[spoken][:, None], target[spoken])
    chances = platt.predict_proba(logits[silent][:, None])[:, 1]
    return float(silent.sum() * _prior_of(chances, float(target[spoken].mean())))


def _prior_of(chances: NDArray[np.float64], taught: float) -> float:
    """Returns the share of a class where its learned share does not hold, by EM."""
    likelihood = chances / taught / np.maximum((1 - chances) / (1 - taught), 1e-12)
    share = taught
    for _ in range(_ROUNDS):
        weighted = likelihood * share
        share = float(np.mean(weighted / (weighted + 1 - share)))
    return share
