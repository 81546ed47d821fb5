"""The images of the studies of a batch: decoded once, and only those that decide anything."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from datasets import Image
from datasets.formatting.formatting import LazyBatch, LazyRow
from numpy.typing import NDArray

from semenrich_datasets.index.image_embedding import (
    ImageEncoder,
    embed_images,
    load_image_encoder,
)
from semenrich_datasets.index.recorded_names import RecordedName

# A wider row is taken for a batch by its text columns alone.
_MOST_LOOKED_AT = 200


class Cells:
    """The cells of the image column of a batch, each decoded when it is first asked for.

    Args:
        values (`Sequence[Any]` or `None`): One a row, decoded or not; None where no column was
            named.
    """

    def __init__(self, values: Sequence[Any] | None) -> None:
        self._values = values
        self._decoded: dict[int, Any] = {}

    def image(self, row: int) -> Any:
        """Gives the image of a row; None where it has none."""
        if self._values is None:
            return None
        if row not in self._decoded:
            value = self._values[row]
            if isinstance(value, Mapping) and {"bytes", "path"} <= set(value):
                value = _decode(value)
            self._decoded[row] = value
        return self._decoded[row]


def _decode(value: Mapping[str, Any]) -> Any:
    """Returns the picture of a cell; None, with a warning, where it can't be read."""
    if value["bytes"] is None and value["path"] is None:
        return None
    try:
        return Image().decode_example(dict(value))
    except (
        Exception
    ) as error:  # whatever a broken file makes of Pillow: one row is no reason to stop
        warnings.warn(f"left out an image that can't be read: {error}", stacklevel=2)
        return None


class StudyImages:
    """Takes the images out of rows, and embeds them.

    Args:
        column (`str` or `None`): Where they are.
        encoder ([`ImageEncoder`], `str`, [`RecordedName`] or `None`): What embeds them; loaded at
            the first image.
    """

    def __init__(
        self, column: str | None, encoder: ImageEncoder | str | RecordedName | None
    ) -> None:
        self.column = column
        self.encoder = encoder

    def __getstate__(self) -> dict[str, Any]:
        """Names what the embeddings depend on; the loaded model is no part of it."""
        return {"column": self.column, "encoder": self.encoder}

    def cells(self, rows: Mapping[str, Any], is_batch: bool) -> Cells:
        """Gives the cells of a row or a batch; those of a dataset are not decoded for it."""
        if self.column is None:
            return Cells(None)
        if isinstance(rows, (LazyBatch, LazyRow)) and self.column in rows.keys_to_format:
            column = rows.pa_table.column(self.column)
            return Cells(_Undecoded(column))
        return Cells(rows[self.column] if is_batch else [rows[self.column]])

    def embed(self, cells: Cells, rows: Sequence[int]) -> dict[int, NDArray[np.float32]]:
        """Embeds the images of some rows.

        Returns:
            `dict[int, np.ndarray]`: Row to a vector of shape `(d,)`, float32; rows whose image is
            missing or cannot be read are left out.
        """
        pictures = {row: image for row in rows if (image := cells.image(row)) is not None}
        if not pictures or self.encoder is None:
            return {}
        vectors = embed_images(list(pictures.values()), self._loaded, show_progress=False)
        found = zip(pictures, vectors, strict=True)
        return {row: vector for row, vector in found if np.isfinite(vector).all()}

    @cached_property
    def _loaded(self) -> ImageEncoder:
        if self.encoder is None:
            raise ValueError("expected image_encoder=, found none")
        return load_image_encoder(self.encoder)


class _Undecoded(Sequence[Any]):
    """A column of a table, a cell at a time."""

    def __init__(self, column: Any) -> None:
        self._column = column

    def __len__(self) -> int:
        return len(self._column)

    def __getitem__(self, row: Any) -> Any:
        return self._column[row].as_py()


def is_batch_of(rows: Mapping[str, Any], names: Iterable[str]) -> bool:
    """Whether columns hold a value a row; a row's own list of sentences makes no batch."""
    if isinstance(rows, (LazyRow, LazyBatch)):
        return isinstance(rows, LazyBatch)
    columns = [rows[name] for name in (rows if len(rows) < _MOST_LOOKED_AT else names)]
    return all(isinstance(column, (list, np.ndarray, pd.Series)) for column in columns)
