"""How reports are cut into sentences, as an index was built."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from semenrich_datasets.sentences import (
    normalize_sentence,
    split_paper,
    split_sentences,
    split_stops,
)


@dataclass(frozen=True)
class Splitter:
    """How a report is cut into sentences, and which of them count as equal.

    Args:
        split (`Callable[[str], list[str]]`): Report to sentences.
        normalize (`Callable[[str], str]`): Sentence to the form under which it is counted.
        written (`Callable[[str], list[str]]`): Report to the same sentences with the capitals of
            their author.
    """

    split: Callable[[str], list[str]]
    normalize: Callable[[str], str]
    written: Callable[[str], list[str]]


#: "prose" reads a report as its author meant it, "paper" cuts at every "." as published.
SPLITTERS: dict[str, Splitter] = {
    "prose": Splitter(split_sentences, normalize_sentence, split_sentences),
    "paper": Splitter(split_paper, str.strip, split_stops),
}
