"""The reports of the scripts: from the Hub, a folder, a file or the phantom, in splits.

Names of image files are opened when the reports are read, relative to the folder that they are read
from; what the scripts write holds the images themselves, so that it can go anywhere.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
from console import say
from datasets import (
    Dataset,
    DatasetDict,
    Image,
    List,
    Value,
    concatenate_datasets,
    load_dataset,
    load_from_disk,
)

from semenrich_datasets.columns import find_columns
from semenrich_datasets.phantom import load_phantom
from semenrich_datasets.report_files import load_reports

FILES = (".csv", ".json", ".jsonl", ".parquet")
VALIDATION = ("validation", "val", "valid", "validate", "dev")
# Of a dataset without validation: a tenth of its patients, and no more than can matter.
HELD_OUT_SHARE, MOST_HELD_OUT = 0.1, 1000
#: In place of a split: every row.
ALL = "all"


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
    splits = load_named_splits(dataset)
    if "train" not in splits:
        raise ValueError(f"expected a split 'train' in {dataset}, found {', '.join(splits)}")
    train, validation = _train_and_validation(splits, seed)
    return Splits(train, validation, splits.get("test"))


def _train_and_validation(splits: dict[str, Dataset], seed: int) -> tuple[Dataset, Dataset]:
    """Gives what is trained on, and what is evaluated with or held out in its place."""
    named = next((name for name in VALIDATION if name in splits), None)
    return (splits["train"], splits[named]) if named else hold_out(splits["train"], seed)


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


def load_studies(dataset: str, split: str, seed: int) -> tuple[Dataset, str]:
    """Loads the studies to write about.

    Args:
        dataset (`str`): As of [`load_splits`].
        split (`str`): A split; "train" and "validation" are those of [`load_splits`], "all" is
            every row. Of a dataset that is one split "test" is what `load_splits` holds out of it:
            the rest was trained on.
        seed (`int`): Of what is held out.

    Returns:
        `tuple[Dataset, str]`: The studies, and which of the dataset they are, in words.

    Raises:
        `ValueError`: When there is no such split, or there are too few patients to hold some out.
    """
    splits = load_named_splits(dataset)
    if split == ALL:
        return concatenate_datasets(list(splits.values())), f"all rows of {dataset}"
    if split in splits and (split != "train" or set(splits).intersection(VALIDATION)):
        return splits[split], f"split {split!r} of {dataset}"
    is_one = list(splits) == ["train"]
    sides = {"train": 0, "validation": 1} | ({"test": 1} if is_one else {})
    if split not in sides or "train" not in splits:
        found = ", ".join(splits)
        raise ValueError(
            f"expected a split {split!r} in {dataset}, found {found}: name one, or all"
        )
    try:
        studies = _train_and_validation(splits, seed)[sides[split]]
    except ValueError as error:
        raise ValueError(f"{error}; --split {ALL} writes about every row") from error
    verb = "learns" if split == "train" else "holds out"
    rows = f"{len(studies)} of the {len(splits['train'])} rows of {dataset}"
    return studies, f"{rows}, those that training with --seed {seed} {verb}"


def load_named_splits(dataset: str) -> dict[str, Dataset]:
    """Loads a dataset with the splits that it has, images opened; of a single one "train"."""
    path = Path(dataset)
    if path.suffix.lower() in FILES and not path.is_dir():
        return _by_split_column(open_images(load_reports(dataset), path.parent))
    saved = any((path / name).is_file() for name in ("dataset_dict.json", "state.json"))
    loaded = load_from_disk(dataset) if saved else load_dataset(dataset)
    splits = dict(loaded) if isinstance(loaded, DatasetDict) else {"train": loaded}
    # Of the Hub there is no folder: who pushes file names pushes no images.
    folder = path if path.is_dir() else None
    return {name: open_images(one, folder) for name, one in splits.items()}


def _by_split_column(reports: Dataset) -> dict[str, Dataset]:
    names = reports["split"] if "split" in reports.column_names else []
    if "train" not in names:
        return {"train": reports}
    rows: dict[str, list[int]] = {}
    for row, name in enumerate(names):
        rows.setdefault(name, []).append(row)
    return {name: reports.select(chosen) for name, chosen in rows.items()}


def open_images(reports: Dataset, folder: Path | None) -> Dataset:
    """Makes images of the names of files in a table.

    Args:
        reports (`Dataset`): With names in `image`, in lists in `images`, or in another column of
            images ([`~semenrich_datasets.columns.find_columns`]) whose names end as images do, such
            as `image_path`, unless none of its files is there.
        folder (`Path`, *optional*): That the names are relative to; None where there is none.

    Returns:
        `Dataset`: With the images in `image`, or in `images`; a column of names of another name
            stays beside it. Nothing is decoded.

    Raises:
        `FileNotFoundError`: When an image is missing.
    """
    column = _image_names(reports)
    if column is None:
        return reports
    names = reports[column]
    is_list = isinstance(reports.features[column], List)
    target = "images" if is_list else "image"
    if folder is None and column == target:
        raise FileNotFoundError(
            f"expected images in column {column!r}, found names of files such as {names[0]!r}, "
            "which are not on the Hub: push the images themselves (enrich_dataset.py does)"
        )
    if folder is None or (column != target and not _any_file(names, folder)):
        say(f"Column {column!r} names images, of which none is there: they are not opened")
        return reports
    places: list[Any] = [
        [_image_path(one, folder, column) for one in name or []]
        if is_list
        else _image_path(name, folder, column)
        for name in names
    ]
    if column == target:
        reports = reports.remove_columns(column)
    opened = reports.add_column(target, places)
    return opened.cast_column(target, List(Image()) if is_list else Image())


def _image_names(reports: Dataset) -> str | None:
    """Finds the column with names of image files that nothing has opened yet."""
    names = reports.column_names
    # Only images are asked for, whatever the text's column is called.
    found = find_columns(names, text_column=names[0], context_columns=[]).images
    for column in ("image", "images"):
        if column in names and column in found:
            return column if _is_text(reports.features[column]) else None
    for column in found:
        if _is_text(reports.features[column]) and _ends_as_images(reports[column]):
            return column
    return None


def _is_text(feature: Any) -> bool:
    one = feature.feature if isinstance(feature, List) else feature
    return isinstance(one, Value) and one.dtype in ("string", "large_string")


def _ends_as_images(names: Any) -> bool:
    endings = PIL.Image.registered_extensions()
    flat = _flat(names)
    return bool(flat) and all(Path(one).suffix.lower() in endings for one in flat)


def _any_file(names: Any, folder: Path) -> bool:
    return any((folder / one).is_file() for one in _flat(names))


def _flat(names: Any) -> list[str]:
    lists = (name if isinstance(name, list) else [name] for name in names)
    return [one for several in lists for one in several if one]


def _image_path(name: str | None, folder: Path, column: str) -> str | None:
    if not name:
        return None
    path = folder / name  # an absolute name stays as it is
    if not path.is_file():
        raise FileNotFoundError(
            f"no image {path}: expected names in column {column!r} relative to {folder}, or "
            "absolute ones: put the files there, or take the column out"
        )
    return str(path.resolve())


def first_reports(reports: Dataset, count: int) -> Dataset:
    """Gives the first reports, or all where there are fewer."""
    return reports.select(range(min(count, len(reports))))
