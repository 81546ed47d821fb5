"""Bounds of a lexicon that came with an index: reading by it takes time and memory."""

from __future__ import annotations

from semenrich_datasets.reading import Lexicon

# The packaged lexicons hold 3,000 phrases of at most 6 words, and 93 concepts. The time of a
# sentence goes with the longest phrase, the memory with the square of the concepts. No phrase is a
# pattern: they are compared word by word.
_LONGEST_PHRASE = 32
_MOST_CONCEPTS = 2_000


def check_lexicon(lexicon: Lexicon) -> None:
    """Raises `ValueError` where a lexicon is too large to read by."""
    longest = max(lexicon.longest_phrase.values(), default=0)
    if longest > _LONGEST_PHRASE:
        raise ValueError(f"expected phrases of at most {_LONGEST_PHRASE} words, found {longest}")
    if len(lexicon.concepts) > _MOST_CONCEPTS:
        raise ValueError(
            f"expected at most {_MOST_CONCEPTS} concepts, found {len(lexicon.concepts)}"
        )
