"""Best of N whose poor candidates are stopped before they are finished."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import torch

from semenrich_datasets.index.embedding import Encoder
from semenrich_trainers.formatting import parse_report
from semenrich_trainers.generation import Row, generate_tokens
from semenrich_trainers.partial_reports import PartialScorer, Typicality, finished_findings
from semenrich_trainers.pruned_decoding import PrunedDecoding
from semenrich_trainers.sentence_vectors import SentenceVectors
from semenrich_trainers.set_distance import Distance, medoid


@dataclass(frozen=True)
class PrunedCompletions:
    """What was written, and at what cost.

    Args:
        completions (`list[str]`): A completion per row.
        tokens (`int`): Tokens drawn for all candidates, stopped ones among them, each text's end
            counted; without prompts and padding.
    """

    completions: list[str]
    tokens: int


def pruned_best_of_n(
    model: Any,
    processing_class: Any,
    rows: Iterable[Row],
    n: int = 8,
    *,
    keep: float = 0.5,
    checkpoints: Sequence[int] = (24, 48),
    scorer: PartialScorer | None = None,
    distance: Distance = "chamfer",
    encoder: Encoder | str | None = None,
    batch_size: int = 8,
    **generation: Any,
) -> PrunedCompletions:
    """Samples n completions for each prompt, stops the worst on the way, and gives the best.

    After each of some numbers of tokens the candidates of a prompt are scored by the sentences of
    the findings that they have finished; the best go on, the rest leaves the batch (SDR,
    arXiv 2606.00440). Of those that are left the one most like the others is taken, as
    [`best_of_n`] does; of two, the one that scored better at the last checkpoint. Candidates that
    have finished are judged among the rest. Until one of a prompt's candidates has finished a
    sentence, none of them is stopped.

    With `keep=1.0` it gives what [`best_of_n`] gives from the same seed. The model must be whole
    in its process (no FSDP, no ZeRO-3).

    Args:
        model ([`~transformers.PreTrainedModel`]): As of [`generate_completions`].
        processing_class (`PreTrainedTokenizerBase` or `ProcessorMixin`): The same.
        rows (`Iterable[Mapping]`): The same.
        n (`int`, *optional*, defaults to `8`): Candidates for each prompt.
        keep (`float`, *optional*, defaults to `0.5`): Share of a prompt's candidates that goes on
            behind each checkpoint, rounded up, above 0 to 1.
        checkpoints (`Sequence[int]`, *optional*, defaults to `(24, 48)`): After how many tokens of
            a completion; a quarter and half of a report's length is a start.
        scorer (`Callable`, *optional*): From the finished findings of one prompt's candidates to
            a score of each, higher is better, such as [`CorpusNearness`]; by default
            [`Typicality`].
        distance (`str`, *optional*, defaults to `"chamfer"`): "chamfer", "matching" or "energy".
        encoder (`Encoder` or `str`, *optional*): Of sentences; all-MiniLM-L6-v2 by default.
        batch_size (`int`, *optional*, defaults to `8`): Prompts generated together, n times each.
        generation (`Any`): Fields of [`~transformers.GenerationConfig`], such as `temperature`.

    Returns:
        [`PrunedCompletions`]: A completion per row, and how many tokens all candidates took.

    Raises:
        `ValueError`: When n, keep or a checkpoint is out of range.
    """
    _check(n, keep, checkpoints)
    tokenizer: Any = getattr(processing_class, "tokenizer", processing_class)
    vectors = SentenceVectors(encoder)
    score = Typicality(vectors, distance) if scorer is None else scorer

    def select(racing: list[int], written: list[torch.Tensor]) -> list[int]:
        texts = tokenizer.batch_decode(written, skip_special_tokens=True)
        findings = dict(zip(racing, map(finished_findings, texts), strict=True))
        groups = [list(group) for _, group in groupby(racing, key=lambda one: one // n)]
        return [one for group in groups for one in _best(group, findings, score, keep)]

    decoding = PrunedDecoding(select, frozenset(checkpoints))
    settings = {"do_sample": True, "num_return_sequences": n, "batch_size": batch_size} | generation
    completions: list[str] = []
    for written in generate_tokens(model, processing_class, rows, decoding=decoding, **settings):
        texts = tokenizer.batch_decode(written, skip_special_tokens=True)
        for _, group in groupby(decoding.racing, key=lambda one: one // n):
            left = [texts[one] for one in group]
            sets = vectors([parse_report(text).findings for text in left])
            completions.append(left[medoid(sets, distance)])
    return PrunedCompletions(completions, decoding.tokens)


def _best(
    group: list[int], findings: dict[int, str], score: PartialScorer, keep: float
) -> list[int]:
    """Gives the best of one prompt's candidates, the best first, or all of them as they stood."""
    count = max(1, math.ceil(keep * len(group) - 1e-9))
    partial = [findings[one] for one in group]
    if count == len(group) or not any(partial):
        return group
    scores = score(partial)
    order = sorted(range(len(group)), key=lambda at: -scores[at])
    return [group[at] for at in order[:count]]


def _check(n: int, keep: float, checkpoints: Sequence[int]) -> None:
    if n < 1:
        raise ValueError(f"expected n of at least 1, found {n}")
    if not 0 < keep <= 1:
        raise ValueError(f"expected keep above 0 and at most 1, found {keep}")
    if min(checkpoints, default=1) < 1:
        raise ValueError(f"expected checkpoints of at least 1 token, found {min(checkpoints)}")
