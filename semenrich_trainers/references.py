"""Does a reference say anything? The one answer that rewards, scores and evaluation share."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from semenrich_datasets.columns.sections import text_of
from semenrich_datasets.reading.lexicon_entries import BLANK, tokenize
from semenrich_datasets.sentences import split_sentences

# What files and forms write where there is nothing, as a whole text.
_PLACEHOLDERS = frozenset(
    "n a|na|n/a|none|nil|null|nan|not available|not applicable|none available|redacted".split("|")
)


def known_text(value: Any) -> str | None:
    """Gives the text of a reference, and None where it says nothing.

    Nothing is said by None, NaN, white space, de-identification blanks and punctuation alone
    ("XXXX.", "___", "-"), and placeholders that are the whole text ("N/A", "None.").

    Args:
        value (`Any`): What a reference column holds: a text, or a list of sentences.

    Returns:
        `str` or `None`: The text as it was written; sentences of a list joined.

    Raises:
        `ValueError`: When it holds structs or bytes.

    Example:
        ```python
        >>> [known_text(value) for value in ("No XXXX.", "XXXX.", "N/A", None)]
        ['No XXXX.', None, None, None]
        ```
    """
    text = text_of(value)
    if text is None:
        return None
    words = [
        word
        for sentence in split_sentences(text)  # without list marks: "1. XXXX"
        for word in tokenize(sentence)
        if word != BLANK and (word == "/" or any(map(str.isalnum, word)))
    ]
    return text if words and " ".join(words).replace(" / ", "/") not in _PLACEHOLDERS else None


def known_texts(values: Iterable[Any]) -> list[str]:
    """Gives the text of each reference, empty where it says nothing ([`known_text`])."""
    return [known_text(value) or "" for value in values]
