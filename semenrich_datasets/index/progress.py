"""Progress bars of a build: a line a stage on stderr, with its number among the stages."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tqdm.auto import tqdm

#: In the order of a build; embedding images is part of reading the reports.
STAGES = (
    "Reading reports",
    "Embedding",
    "Clustering",
    "Reading sentences",
    "Units",
    "Silence",
)


def stage_name(stage: str) -> str:
    """Gives the stage with its number: "3/6 Clustering"."""
    return f"{STAGES.index(stage) + 1}/{len(STAGES)} {stage}"


def stage_bar(
    stage: str,
    items: Iterable[Any] | None = None,
    *,
    total: int | None = None,
    unit: str,
    show: bool,
) -> tqdm[Any]:
    """Gives the progress bar of a stage.

    Args:
        stage (`str`): One of [`STAGES`].
        items (`Iterable`, *optional*): What the bar counts when it is iterated.
        total (`int`, *optional*): How many there are, where `items` does not tell.
        unit (`str`): What they are, in the plural.
        show (`bool`): Whether to draw it.

    Returns:
        `tqdm`: Closed by `with`, or at the end of its items.
    """
    bar: tqdm[Any] = tqdm(
        items, desc=stage_name(stage), total=total, unit=f" {unit}", disable=not show
    )
    return bar
