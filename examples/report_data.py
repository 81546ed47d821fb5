"""The reports of the training scripts: from the Hub, a folder, a file or the phantom, in splits."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from datasets import Dataset, DatasetDict, Image, List, Value, load_dataset, load_from_disk

from semenrich_datasets.columns import find_columns
from semenrich_datasets.phantom import load_phantom
from semenrich_datasets.report_files import load_reports

FILES = (".csv", ".json", ".jsonl", ".parquet")
VALIDATION = ("validation", "val", "valid", "validate", "dev")
# Of a dataset without validation: a tenth of its patients, and no more than can matter.
HELD_OUT_SHARE, MOST_HELD_OUT = 0.1, 1000


@dataclass(frozen=True)
class Splits:
    """The reports of a run.

    Args:
        train (`Dataset`): To learn.
        validation (`Dataset`): To evaluate during training, and to choose the best model by.
        test (`Dataset`, *optional*): For the final scores alone.
    """

    train: Dataset
    validation: Dataset
    test: Dataset | None


def load_splits(dataset: str, seed: int) -> Splits:
    """Loads a dataset.

    Args:
        dataset (`str`): A Hub id, a folder (of files, or saved by `save_to_disk`), or a CSV, JSON,
            JSONL or Parquet file. A file is one split, unless a column `split` names others.
        seed (`int`): Of what is held out of train where there is no validation.

    Returns:
        [`Splits`]

    Raises:
        `ValueError`: When there is no split train.
        `FileNotFoundError`: When the file, or an image that it names, is missing.
    """
    splits = _load(dataset)
    if "train" not in splits:
        raise ValueError(f"expected a split 'train' in {dataset}, found {', '.join(splits)}")
    named = next((name for name in VALIDATION if name in splits), None)
    train, validation = (
        (splits["train"], splits[named]) if named else hold_out(splits["train"], seed)
    )
    return Splits(train, validation, splits.get("test"))


def load_phantom_splits(studies: int, eval_reports: int, test_reports: int) -> Splits:
    """Draws the phantom's splits, each of a seed of its own.

    Args:
        studies (`int`): To train on, of which a fifth of the normal ones are kept: normal ones are
            half of all and teach least.
        eval_reports (`int`): For validation; at least 1.
        test_reports (`int`): For the final scores; 0 for none.

    Returns:
        [`Splits`]
    """
    # The published figures are of the phantom's first form, whose authors leave nothing unsaid.
    form: dict[str, Any] = {"unsaid": 0.0, "habits": "plain"}
    drawn = load_phantom(studies, seed=0, **form)
    abnormal = [any(one["name"] != "prior" for one in truth) for truth in drawn["truth"]]
    kept = [row for row, is_one in enumerate(abnormal) if is_one or row % 5 == 0]
    return Splits(
        drawn.select(kept),
        load_phantom(max(eval_reports, 1), seed=2, **form),
        load_phantom(test_reports, seed=1, **form) if test_reports else None,
    )


def hold_out(
    reports: Dataset,
    seed: int,
    share: float = HELD_OUT_SHARE,
    most: int | None = MOST_HELD_OUT,
) -> tuple[Dataset, Dataset]:
    """Divides reports into those to train on and those to validate or test with.

    Args:
        reports (`Dataset`): All rows of a patient, or where no column names patients of a study,
            fall on the same side.
        seed (`int`): Of the draw.
        share (`float`, *optional*, defaults to `0.1`): Of the patients, to hold out; at least one.
        most (`int`, *optional*, defaults to `1000`): Patients to hold out; None for any number.

    Returns:
        `tuple[Dataset, Dataset]`: To train on, and held out.

    Raises:
        `ValueError`: When there are fewer than two patients to divide.
    """
    names = reports.column_names
    # Only patient and study are asked for, whatever the text's column is called.
    columns = find_columns(names, text_column=names[0], context_columns=[])
    key = columns.patient_id or columns.study_id
    owners = [*range(len(reports))] if key is None else [str(one) for one in reports[key]]
    groups = sorted(set(owners))
    if len(groups) < 2:
        raise ValueError(
            f"expected two patients or more to hold some out, found {len(groups)} in column {key!r}"
            ": add a split 'validation' (or 'test')"
        )
    # One at least on either side.
    count = min(max(1, round(share * len(groups))), len(groups) - 1, most or len(groups))
    drawn = np.random.default_rng(seed).permutation(len(groups))[:count]
    held_out = {groups[row] for row in drawn}
    sides: tuple[list[int], list[int]] = ([], [])
    for row, owner in enumerate(owners):
        sides[owner in held_out].append(row)
    return reports.select(sides[0]), reports.select(sides[1])


def load_studies(dataset: str, split: str) -> Dataset:
    """Loads one split of what [`load_splits`] takes; of a file without splits, all of it."""
    splits = _load(dataset)
    if Path(dataset).suffix.lower() in FILES and list(splits) == ["train"]:
        return splits["train"]
    if split not in splits:
        raise ValueError(f"expected a split {split!r} in {dataset}, found {', '.join(splits)}")
    return splits[split]


def _load(dataset: str) -> dict[str, Dataset]:
    path = Path(dataset)
    if path.suffix.lower() in FILES and not path.is_dir():
        reports = _open_images(load_reports(dataset), path.parent)
        return _by_split_column(reports)
    saved = any((path / name).is_file() for name in ("dataset_dict.json", "state.json"))
    loaded = load_from_disk(dataset) if saved else load_dataset(dataset)
    return dict(loaded) if isinstance(loaded, DatasetDict) else {"train": loaded}


def _by_split_column(reports: Dataset) -> dict[str, Dataset]:
    names = reports["split"] if "split" in reports.column_names else []
    if "train" not in names:
        return {"train": reports}
    rows: dict[str, list[int]] = {}
    for row, name in enumerate(names):
        rows.setdefault(name, []).append(row)
    return {name: reports.select(chosen) for name, chosen in rows.items()}


def _open_images(reports: Dataset, folder: Path) -> Dataset:
    """Makes images of the file names in `image` or `images`, relative to the file's folder."""
    if _is_text(reports.features.get("image")):
        paths = [_image_path(name, folder) for name in reports["image"]]
        reports = reports.remove_columns("image").add_column("image", paths)
        return reports.cast_column("image", Image())
    if _is_text(getattr(reports.features.get("images"), "feature", None)):
        lists = [[_image_path(name, folder) for name in names] for names in reports["images"]]
        reports = reports.remove_columns("images").add_column("images", lists)
        return reports.cast_column("images", List(Image()))
    return reports


def _is_text(feature: Any) -> bool:
    return isinstance(feature, Value) and feature.dtype in ("string", "large_string")


def _image_path(name: str | None, folder: Path) -> str | None:
    if name is None:
        return None
    path = folder / name  # an absolute name stays as it is
    if not path.is_file():
        raise FileNotFoundError(
            f"no image {path}: expected names relative to {folder}, or absolute ones"
        )
    return str(path)


def first_reports(reports: Dataset, count: int) -> Dataset:
    """Gives the first reports, or all where there are fewer."""
    return reports.select(range(min(count, len(reports))))
