"""SemEnricher: the callable for `datasets.map` that adds left-out normal findings."""

from __future__ import annotations

import os
import random
from collections.abc import Mapping, Sequence
from functools import cached_property
from hashlib import blake2b
from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
from datasets import Features, List, Value
from datasets.formatting.formatting import LazyRow

from semenrich_datasets.corpus import check_column
from semenrich_datasets.guards import Guard, Proposal
from semenrich_datasets.index import FindingsIndex
from semenrich_datasets.safe_selection import SafeSelection
from semenrich_datasets.selection import (
    Addition,
    PaperSelection,
    RandomSelection,
    Report,
    Selection,
)
from semenrich_datasets.sentences import append_sentences, join_sentences

Strategy = Literal["random", "heaviest"]
EnricherPreset = Literal["safe", "paper", "random"]

ADDED_TYPE = pa.list_(
    pa.struct(
        [
            ("sentence", pa.string()),
            ("cluster_id", pa.int64()),
            ("support", pa.int64()),
            ("score", pa.float64()),
        ]
    )
)
_DEFAULT_STRATEGY: dict[str, Strategy] = {
    "safe": "heaviest",
    "paper": "random",
    "random": "random",
}


class SemEnricher:
    """Adds to each report the normal findings that its author most likely left out.

    A callable for `Dataset.map` (batched or not, any `num_proc`), `IterableDataset.map`,
    `DatasetDict.map` and `with_transform`. It adds two columns and changes none:
    `enriched_findings` (string: the report, then the added sentences) and `added_findings` (list of
    struct: `sentence`, `cluster_id`, `support` = reports that hold the cluster, `score` in 0..1 =
    how surely reports like this one hold it). Rows without a string (None, NaN, numbers) get None,
    rows that nothing can be added to keep their text, both with an empty list:
    [`~audit.summarize`] counts them.

    The draw depends on the seed, the variant and the report's own text alone, so the same report
    gets the same additions whatever the batch, the order, the process or the day.

    Args:
        index ([`FindingsIndex`], `str` or `os.PathLike`): An index, its folder or its Hub id.
        text_column (`str`, *optional*, defaults to `"findings"`): Column of the report text.
        context_columns (`Sequence[str]`, *optional*): Columns of the same study that an addition
            must not contradict, such as the impression.
        preset (`str`, *optional*, defaults to `"safe"`): "safe" adds only what the guards let
            through; "paper" is the published method, which contradicts about 1 in 9 abnormal
            reports (for comparison; to reproduce it exactly build the index with
            `preset="paper"` too); "random" its ablation, as many sentences from random clusters.
        strategy (`str`, *optional*): "random" draws among the compatible cliques, "heaviest" takes
            the one of greatest support. Default: "heaviest" for "safe", "random" for the others.
        max_added (`int`, *optional*): Most sentences added to a report; no bound by default.
        min_score (`float`, *optional*): Least `score` of an addition, for "safe".
        guards (`Sequence[Guard]`, *optional*): Guards of your own, asked in turn after the
            built-in ones: each takes a list of [`~guards.Proposal`] and gives for each a reason
            to refuse or None.
        image_column (`str`, *optional*): Column handed to the guards as `Proposal.image`; only
            then is it decoded.
        resample (`bool`, *optional*, defaults to `False`): Whether each sentence of the report is
            replaced by another one of its cluster (the paper's other augmentation, section 3).
        variant (`int`, *optional*, defaults to `0`): Another number gives another draw.
        seed (`int`, *optional*, defaults to `0`): Seed of the draws.
        enriched_column (`str`, *optional*, defaults to `"enriched_findings"`): Name of the output.
        added_column (`str`, *optional*, defaults to `"added_findings"`): Name of the output.

    Example:
        ```python
        >>> enricher = SemEnricher(index, context_columns=["impression"])
        >>> enriched = reports.map(enricher, batched=True, num_proc=2)
        ```
    """

    def __init__(
        self,
        index: FindingsIndex | str | os.PathLike[str],
        text_column: str = "findings",
        context_columns: Sequence[str] = (),
        *,
        preset: EnricherPreset = "safe",
        strategy: Strategy | None = None,
        max_added: int | None = None,
        min_score: float = 0.97,
        guards: Sequence[Guard] = (),
        image_column: str | None = None,
        resample: bool = False,
        variant: int = 0,
        seed: int = 0,
        enriched_column: str = "enriched_findings",
        added_column: str = "added_findings",
    ) -> None:
        if preset not in _DEFAULT_STRATEGY:
            msg = f"expected preset to be 'safe', 'paper' or 'random', found {preset!r}"
            raise ValueError(msg)
        if strategy not in (None, "random", "heaviest"):
            msg = f"expected strategy to be 'random' or 'heaviest', found {strategy!r}"
            raise ValueError(msg)
        if max_added is not None and max_added < 0:
            msg = f"expected max_added to be 0 or more, or None for no bound, found {max_added}"
            raise ValueError(msg)
        if isinstance(context_columns, str):
            msg = f"expected a list of columns, found a string: use [{context_columns!r}]"
            raise TypeError(msg)
        if not isinstance(index, FindingsIndex):
            index = FindingsIndex.from_pretrained(index)
        self.index = index
        self.text_column = text_column
        self.context_columns = tuple(context_columns)
        self.preset = preset
        self.strategy = strategy or _DEFAULT_STRATEGY[preset]
        self.max_added = max_added
        self.min_score = min_score
        self.guards = tuple(guards)
        self.image_column = image_column
        self.resample = resample
        self.variant = variant
        self.seed = seed
        self.enriched_column = enriched_column
        self.added_column = added_column

    def __getstate__(self) -> dict[str, Any]:
        """Leaves the memo out, so that `datasets` gives the same fingerprint after a run."""
        return {key: value for key, value in self.__dict__.items() if key != "selection"}

    def features(self, features: Features) -> Features:
        """Gives the features of the output, for `map(enricher, features=...)` on a stream."""
        added = {name: Value(str(field.type)) for name, field in _added_fields()}
        return Features(
            {**features, self.enriched_column: Value("string"), self.added_column: List(added)}
        )

    def __call__(self, rows: Mapping[str, Any]) -> dict[str, Any]:
        """Enriches one row, or one batch of rows (columns of lists).

        Args:
            rows (`Mapping`): Column name to value, or to a list of values.

        Returns:
            `dict`: The two added columns, in the form of the input.

        Raises:
            `ValueError`: When the text, a context or the image column is missing, or a guard does
                not answer each proposal.
        """
        check_column(self.text_column, rows)
        for column in self.context_columns:
            check_column(column, rows, "context_columns")
        if self.image_column:
            check_column(self.image_column, rows, "image_column")
        texts = rows[self.text_column]
        if isinstance(texts, (np.ndarray, pd.Series)):  # formatted datasets, Ray Data
            texts = texts.tolist()
        if isinstance(rows, LazyRow) or not isinstance(texts, list):
            return self._enrich_row(rows)
        contexts = zip(*(rows[column] for column in self.context_columns), strict=True)
        all_contexts = list(contexts) if self.context_columns else [()] * len(texts)
        images = rows[self.image_column] if self.image_column else [None] * len(texts)
        enriched, added = self._enrich(texts, all_contexts, images)
        return {
            self.enriched_column: _TypedColumn(enriched, pa.string()),
            self.added_column: _TypedColumn(added, ADDED_TYPE),
        }

    def _enrich_row(self, row: Mapping[str, Any]) -> dict[str, Any]:
        context = tuple(row[column] for column in self.context_columns)
        image = row[self.image_column] if self.image_column else None
        enriched, added = self._enrich([row[self.text_column]], [context], [image])
        if not isinstance(row, LazyRow):
            return {self.enriched_column: enriched[0], self.added_column: added[0]}
        # `Dataset.map` would take the types of the first thousand rows, which may all be empty.
        return {
            self.enriched_column: pa.array(enriched, type=pa.string()),
            self.added_column: pa.array(added, type=ADDED_TYPE),
        }

    def _enrich(
        self, texts: list[Any], contexts: Sequence[Sequence[Any]], images: Sequence[Any]
    ) -> tuple[list[str | None], list[list[dict[str, Any]]]]:
        reports = [self._read(*pair) for pair in zip(texts, contexts, strict=True)]
        chosen = [self.selection(report) if report else [] for report in reports]
        for guard in self.guards:
            chosen = _ask(guard, reports, chosen, images)
        enriched: list[str | None] = []
        for text, report, additions in zip(texts, reports, chosen, strict=True):
            if report is None:
                enriched.append(text if isinstance(text, str) else None)
                continue
            body = self._resample(report) if self.resample else report.text
            enriched.append(append_sentences(body, [addition.sentence for addition in additions]))
        return enriched, [[addition.as_dict() for addition in chosen_] for chosen_ in chosen]

    def _read(self, text: Any, context: Sequence[Any]) -> Report | None:
        """Returns the report, or None when there is no sentence in it."""
        sentences = self.index.split(text) if isinstance(text, str) else []
        if not sentences:
            return None
        key = f"{self.seed}|{self.variant}|{text}".encode(errors="surrogatepass")
        rng = random.Random(int.from_bytes(blake2b(key, digest_size=8).digest()))
        texts = tuple(part for part in context if isinstance(part, str))
        return Report(text, tuple(sentences), texts, rng)

    def _resample(self, report: Report) -> str:
        return join_sentences(self.selection.replace(report))

    @cached_property
    def selection(self) -> Selection:
        """What chooses the additions; made once a process, at the first report."""
        if self.preset == "safe":
            return SafeSelection(self.index, self.strategy, self.max_added, self.min_score)
        kind = PaperSelection if self.preset == "paper" else RandomSelection
        return kind(self.index, self.strategy, self.max_added)


class _TypedColumn(list[Any]):
    """A column that tells Arrow its type, also when all of it is empty."""

    def __init__(self, values: Sequence[Any], arrow_type: pa.DataType) -> None:
        super().__init__(values)
        self.arrow_type = arrow_type

    def __arrow_array__(self, type: pa.DataType | None = None) -> pa.Array:
        return pa.array(list(self), type=type or self.arrow_type)


def _added_fields() -> list[tuple[str, pa.Field]]:
    return [(field.name, field) for field in ADDED_TYPE.value_type]


def _ask(
    guard: Guard,
    reports: Sequence[Report | None],
    chosen: list[list[Addition]],
    images: Sequence[Any],
) -> list[list[Addition]]:
    """Asks a guard about all additions of a batch at once, and drops those that it refuses."""
    proposals = [
        Proposal(addition.sentence, report.text, "\n".join(report.context), image)
        for report, additions, image in zip(reports, chosen, images, strict=True)
        if report is not None
        for addition in additions
    ]
    reasons = guard(proposals) if proposals else []
    if len(reasons) != len(proposals):
        msg = (
            f"expected from the guard {guard!r} a reason or None for each of {len(proposals)} "
            f"proposals, found {len(reasons)}"
        )
        raise ValueError(msg)
    answers = iter(reasons)
    return [[a for a in additions if next(answers) is None] for additions in chosen]
