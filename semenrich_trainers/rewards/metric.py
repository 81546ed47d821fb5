"""Metrics of the field as rewards: CheXbert-F1 and RadGraph-F1 of each completion."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from semenrich_datasets.columns import check_column
from semenrich_trainers.formatting import completion_text, parse_report
from semenrich_trainers.references import known_texts

#: Pairs of completion and reference whose score is remembered.
_MEMORY = 2**16


class MetricReward:
    """A score that an `evaluate` module gives each report, 0 to 1.

    The whole report is compared: findings and impression, one after the other, but for a section
    whose reference says nothing ([`~references.known_text`]). A pair is scored once. None where no
    reference says anything; 0 where the completion is empty.

    Args:
        metric (`str`, `os.PathLike` or `evaluate.EvaluationModule`): The module, its folder, or
            its id on the Hub. It must return a list of scores, one per report.
        rows (`str`): Key of the list in the result.
        score (`str`): Key of the score in each of its rows.
        findings_column (`str`, *optional*, defaults to `"findings"`): Column of the reference
            findings.
        impression_column (`str`, *optional*, defaults to `"impression"`): Column of the reference
            impression.
        options (`Any`): Passed on to `evaluate.load`.

    Raises:
        `ImportError`: When evaluate is missing.
        `ValueError`: When called without the reference columns.

    Example:
        ```python
        >>> reward = CheXbertReward("semenrich/chexbert_f1", uncertain="negative")  # from the Hub
        >>> reward = RadGraphReward("metrics/radgraph_f1", device="cuda")  # from a clone
        ```
    """

    def __init__(
        self,
        metric: str | os.PathLike[str] | Any,
        rows: str,
        score: str,
        *,
        findings_column: str = "findings",
        impression_column: str = "impression",
        **options: Any,
    ) -> None:
        self.metric = os.fspath(metric) if isinstance(metric, os.PathLike) else metric
        self.rows = rows
        self.key = score
        self.options = options
        self.findings_column = findings_column
        self.impression_column = impression_column
        self.__name__ = f"{score}_reward"
        self._loaded: Any = None
        self._known: dict[tuple[str, str], float] = {}

    def __call__(self, completions: Sequence[Any], **columns: Any) -> list[float | None]:
        """Scores a batch of completions; a reward function for TRL."""
        for name in (self.findings_column, self.impression_column):
            check_column(name, columns, "reference column")
        parsed = [parse_report(completion_text(completion)) for completion in completions]
        findings = known_texts(columns[self.findings_column])
        impressions = known_texts(columns[self.impression_column])
        pairs = [
            # What is written where nobody knows what is right is not compared.
            (
                _join(report.findings if found else "", report.impression if answer else ""),
                _join(found, answer),
            )
            for report, found, answer in zip(parsed, findings, impressions, strict=True)
        ]
        self._score({pair for pair in pairs if all(pair)} - self._known.keys())
        return [self._known.get(pair, 0.0) if pair[1] else None for pair in pairs]

    def _score(self, pairs: set[tuple[str, str]]) -> None:
        if not pairs:
            return
        if len(self._known) + len(pairs) > _MEMORY:
            self._known.clear()
        ordered = sorted(pairs)
        predictions, references = zip(*ordered, strict=True)
        result = self._module().compute(predictions=[*predictions], references=[*references])
        scores = [float(row[self.key]) for row in result[self.rows]]
        self._known.update(zip(ordered, scores, strict=True))

    def _module(self) -> Any:
        if self._loaded is None:
            self._loaded = self.metric
            if isinstance(self.metric, str):
                self._loaded = _load_module(self.metric, self.options)
        return self._loaded

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_loaded": None, "_known": {}}


class CheXbertReward(MetricReward):
    """Example-based CheXbert F1 over the 14 observations, 0 to 1 (`metrics/chexbert_f1`).

    Args:
        metric (`str`, `os.PathLike` or `evaluate.EvaluationModule`): The module's folder or id.
        options (`Any`): As of [`MetricReward`], or passed on to the module, such as
            `uncertain="negative"`, `checkpoint=` or `labeler=`.
    """

    def __init__(self, metric: str | os.PathLike[str] | Any, **options: Any) -> None:
        options = {"per_report": True, **options}
        super().__init__(metric, "chexbert_per_report", "example_f1_14", **options)
        self.__name__ = "chexbert_reward"


class RadGraphReward(MetricReward):
    """RadGraph F1 over entities and whether they have relations, 0 to 1 (`metrics/radgraph_f1`).

    Args:
        metric (`str`, `os.PathLike` or `evaluate.EvaluationModule`): The module's folder or id.
        options (`Any`): As of [`MetricReward`], or passed on to the module, such as
            `model_type="radgraph-xl"` or `annotator=`.
    """

    def __init__(self, metric: str | os.PathLike[str] | Any, **options: Any) -> None:
        options = {"per_report": True, **options}
        super().__init__(metric, "radgraph_per_report", "partial", **options)
        self.__name__ = "radgraph_reward"


def _join(findings: str, impression: str) -> str:
    return f"{findings.strip()} {impression.strip()}".strip()


def _load_module(metric: str, options: dict[str, Any]) -> Any:
    try:
        import evaluate
    except ImportError as error:
        raise ImportError(
            'metric rewards need evaluate: pip install "semenrich[metrics]"'
        ) from error
    return evaluate.load(metric, **options)
