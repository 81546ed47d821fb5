"""The indexes of the scripts: built on reports, or those that are at hand."""

from pathlib import Path
from typing import Literal

from console import say
from datasets import Dataset

from semenrich_datasets import FindingsIndex
from semenrich_datasets.columns import find_columns
from semenrich_trainers.checkpoints import FINDINGS_INDEX, IMPRESSION_INDEX

Preset = Literal["safe", "paper"]


def build_impression_index(reports: Dataset, column: str, preset: Preset) -> FindingsIndex:
    """Fits an index on impressions alone, which count by patient where a column names them."""
    names = reports.column_names
    found = find_columns(names, text_column=column, context_columns=[])
    kept = [name for name in (found.patient_id, found.study_id) if name]
    # Its columns are no choice of the user's, so they are not shown.
    return FindingsIndex.build(
        reports.select_columns([column, *kept]), column, preset=preset, show_progress=False
    )


def open_indexes(
    places: dict[str, str | None],
    columns: dict[str, str],
    model: str | None,
    reports: Dataset,
    preset: Preset,
) -> tuple[FindingsIndex, FindingsIndex]:
    """Gives the indexes of findings and of impressions, and says where they are from.

    Args:
        places (`dict[str, str]`): Folder or Hub id that was named, by the name of the folder that
            an index has beside a model (`FINDINGS_INDEX`, `IMPRESSION_INDEX`); None for none.
        columns (`dict[str, str]`): By the same names the columns to build on.
        model (`str`, *optional*): A model's folder: the indexes beside it come next, unless they
            are of another preset.
        reports (`Dataset`): To build on what is left.
        preset (`str`): "safe" or "paper".

    Returns:
        `tuple[FindingsIndex, FindingsIndex]`
    """
    found: dict[str, FindingsIndex] = {}
    for folder, place in places.items():
        index = FindingsIndex.from_pretrained(place) if place else _beside(model, folder, preset)
        if index is not None:
            say(f"{folder}: {place or Path(str(model), folder)}")
        else:
            say(f"{folder}: built on {len(reports)} reports of the training")
            build = build_impression_index if folder == IMPRESSION_INDEX else FindingsIndex.build
            index = build(reports, columns[folder], preset=preset)
        found[folder] = index
    return found[FINDINGS_INDEX], found[IMPRESSION_INDEX]


def _beside(model: str | None, folder: str, preset: Preset) -> FindingsIndex | None:
    if model is None or not Path(model, folder, "config.json").is_file():
        return None
    index = FindingsIndex.from_pretrained(Path(model, folder))
    return index if index.config.preset == preset else None
