"""Checks of what an enricher is made with."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from semenrich_datasets.columns.names import looks_like_impression
from semenrich_datasets.index.config import IndexConfig

#: What an enricher adds to a dataset, unless told other names.
OUTPUT_COLUMNS = ("enriched_findings", "added_findings")


def check_options(
    preset: str,
    strategy: str | None,
    max_added: int | None,
    min_score: float,
    unsaid_abnormal: float | None,
    privacy_floor: bool,
) -> None:
    """Raises `ValueError` where an option is none of its values."""
    if preset not in ("safe", "paper", "random"):
        raise ValueError(f"expected preset to be 'safe', 'paper' or 'random', found {preset!r}")
    if strategy not in (None, "random", "heaviest"):
        raise ValueError(f"expected strategy to be 'random' or 'heaviest', found {strategy!r}")
    if max_added is not None and max_added < 0:
        msg = f"expected max_added to be 0 or more, or None for no bound, found {max_added}"
        raise ValueError(msg)
    if not 0 <= min_score <= 1:
        raise ValueError(f"expected min_score to be from 0 to 1, found {min_score}")
    if unsaid_abnormal is not None and not 0 <= unsaid_abnormal < 1:
        msg = f"expected unsaid_abnormal to be a share from 0 to below 1, found {unsaid_abnormal}"
        raise ValueError(msg)
    if preset == "safe" and not privacy_floor:
        raise ValueError("expected privacy_floor=False with preset 'paper' or 'random' alone")


def check_index(preset: str, config: IndexConfig) -> None:
    """Raises `ValueError` where an index can't do what a preset asks of it."""
    if preset == "safe" and config.preset == "paper":
        msg = (
            "expected an index built with preset='safe', found one built with preset='paper', "
            "whose clusters mix what they say: build another, or pass preset='paper'"
        )
        raise ValueError(msg)
    if preset != "safe" and config.shared:
        # Without the abnormal sentences every report would pass for a healthy one.
        msg = (
            f"expected the whole index for preset={preset!r}, found its shared form, which knows "
            "no abnormal sentence: pass the index itself, or preset='safe'"
        )
        raise ValueError(msg)


def check_free(names: Collection[str], outputs: Sequence[str]) -> None:
    """Raises `ValueError` where columns of a dataset would be overwritten by outputs."""
    taken = [name for name in outputs if name in names]
    if taken:
        listed = " and ".join(map(repr, taken))
        msg = (
            f"expected no column {listed}, found it in the reports, where the output would replace "
            "it. Enriched already? Start from the reports as they were, or drop it "
            f"(remove_columns({taken})). A column of your own? Rename it, or name the outputs: "
            "SemEnricher(..., enriched_column=..., added_column=...)"
        )
        raise ValueError(msg)


def check_output_columns(
    names: tuple[str, str], text_column: str | None, context_columns: Sequence[str] | None
) -> None:
    """Raises `ValueError` where an output would replace a text to be read, or the other output.

    Raises also `TypeError` where the context is one string.
    """
    if isinstance(context_columns, str):
        raise TypeError(f"expected a list of columns, found a string: use [{context_columns!r}]")
    if names[0] == names[1]:
        raise ValueError(f"expected two output columns, found {names[0]!r} for both")
    for name in names:
        if name in (text_column, *(context_columns or ())) or looks_like_impression(name):
            msg = f"the output column {name!r} would replace a text to be read: name another"
            raise ValueError(msg)
