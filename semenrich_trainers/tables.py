"""Tables beside the scalars of a run: as Parquet files, and to trackio or wandb."""

from __future__ import annotations

import importlib
from pathlib import Path

import pandas as pd
from transformers import TrainingArguments

#: What has a `Table(dataframe=...)` that its `log` takes, as TRL's table of completions uses them.
_BACKENDS = ("trackio", "wandb")


def log_table(args: TrainingArguments, name: str, table: pd.DataFrame, step: int) -> Path:
    """Writes a table of a training run.

    Args:
        args ([`~transformers.TrainingArguments`]): Of the run: its folder and its `report_to`.
        name (`str`): Of the table.
        table (`pandas.DataFrame`): What to log; a column `step` is put in front.
        step (`int`): Global step.

    Returns:
        `Path`: `<output_dir>/_tables/<name>_<step>.parquet`.
    """
    # Trainers do not push what begins with "_": a table may hold reports of patients.
    path = Path(str(args.output_dir), "_tables", f"{name}_{step:05d}.parquet")
    path.parent.mkdir(parents=True, exist_ok=True)
    table = table.assign(step=step)[["step", *table.columns]]
    table.to_parquet(path)
    for backend in _BACKENDS:
        if backend in (args.report_to or ()):
            module = importlib.import_module(backend)
            module.log({name: module.Table(dataframe=table)})
    return path
