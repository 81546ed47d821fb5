"""Synthetic chest X-rays with reports and the full truth, to measure what enrichment adds.

Each study has a hidden state, an image drawn from it, a report by one of forty reporters, and the
findings section that leaves nothing out. The reporters leave much of what is normal unsaid, and now
and then something abnormal: an enricher that takes silence for health fails on those. What a
sentence claims, and whether it is true of a study, can be looked up.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from random import Random
from typing import Any, Literal

import datasets
import numpy as np
from PIL import Image

from semenrich_datasets.phantom.grammar import sentence_index
from semenrich_datasets.phantom.habits import draw_view, plain_view
from semenrich_datasets.phantom.hospitals import staff
from semenrich_datasets.phantom.images import MAX_SIZE, MIN_SIZE, render
from semenrich_datasets.phantom.indications import draw_indication
from semenrich_datasets.phantom.reporters import reporters
from semenrich_datasets.phantom.reports import write_report
from semenrich_datasets.phantom.silences import Silence, draw_silence
from semenrich_datasets.phantom.truth import (
    PRIOR,
    State,
    Statement,
    are_nested,
    holds,
    is_stronger,
    sample_state,
)

__all__ = ["Statement", "is_true", "load_phantom", "omitted_normals", "statements"]

_TEXT = datasets.Value("string")
_STATEMENTS = datasets.List(dict.fromkeys(Statement._fields, _TEXT))
_FEATURES = {
    "findings": _TEXT,
    "impression": _TEXT,
    "complete_findings": _TEXT,
    "truth": _STATEMENTS,
    "unsaid": _STATEMENTS,
    "overlooked": _STATEMENTS,
}
_VARIED_FEATURES = {
    "indication": _TEXT,
    **_FEATURES,
    "hedged": _STATEMENTS,
    "hard_to_see": datasets.List(_TEXT),
    "hospital": _TEXT,
}
_Habits = Literal["varied", "plain"]


def load_phantom(
    n: int = 1000,
    seed: int = 0,
    *,
    images: bool = True,
    image_size: int = 64,
    unsaid: float = 0.05,
    habits: _Habits = "varied",
) -> datasets.Dataset:
    """Gives synthetic chest X-ray studies: image, report, complete report, truth.

    Study `i` depends on `seed` and `i` alone: another seed, or rows not used before, are held out.
    Its image and truth depend on nothing else; `unsaid` and `habits` change what is written. With
    `unsaid=0.0, habits="plain"` the reports are those of the phantom's first form.

    Args:
        n (`int`, *optional*, defaults to `1000`): number of studies.
        seed (`int`, *optional*, defaults to `0`): which studies, 0 or above.
        images (`bool`, *optional*, defaults to `True`): whether there is a column `image`.
        image_size (`int`, *optional*, defaults to `64`): height and width in pixels, 64 to 224.
        unsaid (`float`, *optional*, defaults to `0.05`): share of the abnormal findings, devices
            among them, that the report states nowhere, 0 to below 1. Of small and mild ones more,
            of large and marked ones less. Most are passed over: there is no normal statement of
            that part of the chest. 15 % of them, where a normal statement can deny them, were
            overlooked, and one does.
        habits (`str`, *optional*, defaults to `"varied"`): "varied" for authors of four hospitals
            with phrases and topics of their own, who hedge, see some things badly, report another
            region too, and were given an indication; "plain" for one kind of author who does none
            of it.

    Returns:
        `datasets.Dataset`: columns

        - `image`: grey, PNG; shows all of `truth`.
        - `findings`, `impression`: the report. A finding may stand in one of them only.
        - `complete_findings`: the sentences of `findings` but for those that are false, hedge or
          complain, and all that they leave out, abnormal or normal. True and complete.
        - `truth`: a list of `{"name", "value", "site"}`: the abnormal findings of the study, said
          or not, each with its severity and side or zone where it has one, and "prior" where there
          is a prior study. What is not listed is normal.
        - `unsaid`: those of `truth` that the report states nowhere, nor calls possible.
        - `overlooked`: those of `unsaid` that a normal statement of the report denies.

        and with varied habits

        - `indication`: why the study was asked for.
        - `hedged`: those of `truth` that the report only calls possible.
        - `hard_to_see`: what the author saw badly, and so mentions less: "heart hard to see",
          "bases hard to see", "apices hard to see".
        - `hospital`: "A" to "D"; D fills in a form ("Heart: Normal.").

    Raises:
        ValueError: If an argument is out of range.

    Example:
        ```python
        >>> from semenrich_datasets.phantom import load_phantom
        >>> studies = load_phantom(n=100, seed=1, images=False, habits="plain")
        >>> studies.column_names
        ['findings', 'impression', 'complete_findings', 'truth', 'unsaid', 'overlooked']
        ```
    """
    if n < 0 or seed < 0:
        raise ValueError(f"Expected n and seed of 0 or above, found n={n}, seed={seed}.")
    if not MIN_SIZE <= image_size <= MAX_SIZE:
        raise ValueError(
            f"Expected image_size from {MIN_SIZE} to {MAX_SIZE}, found {image_size}: draw at one "
            "of these and resize."
        )
    if not 0 <= unsaid < 1:
        raise ValueError(f"Expected unsaid from 0 to below 1, a share, found {unsaid}.")
    if habits not in ("varied", "plain"):
        raise ValueError(f'Expected habits to be "varied" or "plain", found {habits!r}.')
    text = _VARIED_FEATURES if habits == "varied" else _FEATURES
    features = datasets.Features({"image": datasets.Image(), **text} if images else text)
    rows = [
        _make_study(seed, row, image_size if images else None, unsaid, habits) for row in range(n)
    ]
    columns = {name: [row[name] for row in rows] for name in features}
    return datasets.Dataset.from_dict(columns, features=features)


def _make_study(
    seed: int, row: int, image_size: int | None, unsaid: float, habits: _Habits
) -> dict[str, Any]:
    rng = Random(f"{seed} {row}")
    state = sample_state(rng)
    found = tuple(one for one in state if one != PRIOR)
    silence = Silence()
    if unsaid and found:
        silence = draw_silence(found, unsaid, Random(f"{seed} {row} unsaid"))
    write = _write_varied if habits == "varied" else _write_plain
    study = {"truth": [one._asdict() for one in state], **write(state, silence, rng)}
    if image_size is not None:
        pixels = render(state, image_size, np.random.default_rng([seed, row]))
        study["image"] = {"bytes": _encode_png(pixels), "path": None}
    return study


def _write_plain(state: State, silence: Silence, rng: Random) -> dict[str, Any]:
    reporter, view = rng.choice(reporters()), plain_view(state, silence)
    return {
        **write_report(state, reporter, view, rng)._asdict(),
        "unsaid": _named(state, view.silence.unsaid),
        "overlooked": _named(state, view.silence.overlooked),
    }


def _write_varied(state: State, silence: Silence, rng: Random) -> dict[str, Any]:
    reporter = rng.choice(staff())
    view = draw_view(state, silence, rng)
    return {
        **write_report(state, reporter, view, rng)._asdict(),
        "unsaid": _named(state, view.silence.unsaid),
        "overlooked": _named(state, view.silence.overlooked),
        "hedged": _named(state, view.hedged),
        "hard_to_see": list(view.limits),
        "hospital": reporter.hospital,
        "indication": draw_indication(state, rng),
    }


def _named(state: State, names: frozenset[str]) -> list[dict[str, str]]:
    return [one._asdict() for one in state if one.name in names] if names else []


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
