"""Synthetic chest X-rays with reports and the full truth, to measure what enrichment adds.

Each study has a hidden state, an image drawn from it, a report by one of forty reporters, who
states what is abnormal and leaves much of what is normal unsaid, and the findings section that
leaves nothing out. What a sentence claims, and whether it is true of a study, can be looked up.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from random import Random
from typing import Any

import datasets
import numpy as np
from PIL import Image

from semenrich_datasets.phantom.grammar import sentence_index
from semenrich_datasets.phantom.images import MAX_SIZE, MIN_SIZE, render
from semenrich_datasets.phantom.reports import write_report
from semenrich_datasets.phantom.truth import Statement, are_nested, holds, is_stronger, sample_state

__all__ = ["Statement", "is_true", "load_phantom", "omitted_normals", "statements"]

_TEXT_FEATURES = {
    "findings": datasets.Value("string"),
    "impression": datasets.Value("string"),
    "complete_findings": datasets.Value("string"),
    "truth": datasets.List({field: datasets.Value("string") for field in Statement._fields}),
}


def load_phantom(
    n: int = 1000, seed: int = 0, *, images: bool = True, image_size: int = 64
) -> datasets.Dataset:
    """Gives synthetic chest X-ray studies: image, report, complete report, truth.

    Study `i` depends on `seed` and `i` alone: another seed, or rows not used before, are held out.

    Args:
        n (`int`, *optional*, defaults to `1000`): number of studies.
        seed (`int`, *optional*, defaults to `0`): which studies, 0 or above.
        images (`bool`, *optional*, defaults to `True`): whether there is a column `image`.
        image_size (`int`, *optional*, defaults to `64`): height and width in pixels, 64 to 224.

    Returns:
        `datasets.Dataset`: columns `image` (grey, PNG), `findings`, `impression`,
        `complete_findings` (every sentence of `findings`, and every normal statement that they
        leave out) and `truth`, a list of `{"name", "value", "site"}`: the abnormal findings of the
        study, each with its severity and side or zone where it has one, and "prior" where there is
        a prior study. What is not listed is normal.

    Raises:
        ValueError: If `n` or `seed` is negative or `image_size` is out of range.

    Example:
        ```python
        >>> from semenrich_datasets.phantom import load_phantom
        >>> studies = load_phantom(n=100, seed=1, images=False)
        >>> studies.column_names
        ['findings', 'impression', 'complete_findings', 'truth']
        ```
    """
    if n < 0 or seed < 0:
        raise ValueError(f"Expected n and seed of 0 or above, found n={n}, seed={seed}.")
    if not MIN_SIZE <= image_size <= MAX_SIZE:
        raise ValueError(
            f"Expected image_size from {MIN_SIZE} to {MAX_SIZE}, found {image_size}: draw at one "
            "of these and resize."
        )
    rows = [_make_study(seed, row, image_size if images else None) for row in range(n)]
    features = datasets.Features(
        {"image": datasets.Image(), **_TEXT_FEATURES} if images else _TEXT_FEATURES
    )
    columns = {name: [row[name] for row in rows] for name in features}
    return datasets.Dataset.from_dict(columns, features=features)


def _make_study(seed: int, row: int, image_size: int | None) -> dict[str, Any]:
    rng = Random(f"{seed} {row}")
    state = sample_state(rng)
    study = write_report(state, rng)._asdict()
    study["truth"] = [found._asdict() for found in state]
    if image_size is not None:
        pixels = render(state, image_size, np.random.default_rng([seed, row]))
        study["image"] = {"bytes": _encode_png(pixels), "path": None}
    return study


def _encode_png(pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG", compress_level=1)
    return buffer.getvalue()


def statements(sentence: str) -> tuple[Statement, ...] | None:
    """Gives what a sentence of the phantom's grammar says.

    Args:
        sentence (`str`): in any case, with or without its final stop.

    Returns:
        `tuple[Statement, ...] | None`: one or several statements, each with its `sign` and
        `topic`; None when the grammar does not know the sentence.
    """
    return sentence_index().get(sentence.strip().removesuffix(".").lower())


def is_true(statement: Statement, truth: Iterable[Mapping[str, str]]) -> bool:
    """Tells whether a statement is true of a study, as a strict radiologist reads it.

    "Lungs clear" is false with anything in the lungs or pleura, "no acute bone finding" is true
    with degenerative change, a normal heart is not even borderline.

    Args:
        statement (`Statement`): what `statements` gave.
        truth (`Iterable[Mapping[str, str]]`): the study's `truth` column.

    Returns:
        `bool`: True too for statements that claim nothing of the study, such as technique.
    """
    return holds(statement, tuple(Statement(**found) for found in truth))


def omitted_normals(sentences: Iterable[str], complete: Iterable[str]) -> list[Statement]:
    """Lists the normal statements of the complete findings that a report leaves unsaid.

    A statement counts as said when the report makes it or one of the same topic that says more or
    less of the same: "no consolidation" speaks of what "lungs clear" speaks of. So
    `omitted_normals(findings, complete)` less `omitted_normals(enriched, complete)` was recovered.

    Args:
        sentences (`Iterable[str]`): the report's; those not in the grammar say nothing.
        complete (`Iterable[str]`): the sentences of the study's `complete_findings`.

    Returns:
        `list[Statement]`: each once and in its strongest form, in the order of `complete`.
    """
    said = _normals(sentences)
    wanted = _normals(complete)
    return [
        one
        for one in wanted
        if not any(are_nested(one, other) for other in said)
        and not any(is_stronger(other, one) for other in wanted)
    ]


def _normals(sentences: Iterable[str]) -> list[Statement]:
    found = [one for sentence in sentences for one in statements(sentence) or ()]
    return [one for one in dict.fromkeys(found) if one.sign == "normal"]
