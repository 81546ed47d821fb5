"""Words that a misspelt word may stand for: near ones, by edits."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from functools import lru_cache
from itertools import combinations, takewhile

# Shorter words have too many neighbors that mean something else.
_SHORTEST = 5
# From this length on two edits are a misspelling, below one.
_LONG = 8


class Spelling:
    """Finds known words near a misspelt one, by the deletions that both share.

    Symmetric deletion: two words within d edits share a form with at most d letters deleted from
    each (Garbe 2012, SymSpell). A swap of neighbors counts as one edit, as in the distance of
    Damerau (1964).

    Args:
        words (`Iterable[str]`): The known words; those shorter than five letters are left out.
    """

    def __init__(self, words: Iterable[str]) -> None:
        self._by_form: dict[str, list[str]] = {}
        self._words = sorted({word for word in words if len(word) >= _SHORTEST and word.isalpha()})
        self._longest = max(map(len, self._words), default=0)
        for word in self._words:
            for form in _deletions(word):
                self._by_form.setdefault(form, []).append(word)

    def correct(self, word: str) -> str:
        """Gives the nearest known word within one edit, from eight letters on two.

        Else the one that it begins ("atel", "consol"), else the word itself.

        Args:
            word (`str`): Lower case.

        Returns:
            `str`: Of equally near ones the first by alphabet.
        """
        if len(word) > self._longest + 2 or not word.isalpha():
            return word
        if len(word) < _SHORTEST:
            return self._lengthened(word) if len(word) == _SHORTEST - 1 else word
        near = {known for form in _deletions(word) for known in self._by_form.get(form, ())}
        scored = [(_distance(word, known), known) for known in near]
        fitting = [pair for pair in scored if pair[0] <= _allowed(word, pair[1])]
        return min(fitting)[1] if fitting else self._lengthened(word)

    def _lengthened(self, word: str) -> str:
        """Returns the shortest known word that an abbreviation begins, or the word."""
        start = bisect_left(self._words, word)
        begun = takewhile(lambda known: known.startswith(word), self._words[start:])
        return min(begun, key=lambda known: (len(known), known), default=word)


def _allowed(word: str, known: str) -> int:
    alike = word[0] == known[0] and min(len(word), len(known)) >= _LONG
    return 2 if alike else 1


def _deletions(word: str) -> set[str]:
    """Returns the word with none, one, and from eight letters on two letters deleted."""
    once = {word[:i] + word[i + 1 :] for i in range(len(word))}
    if len(word) < _LONG:
        return once | {word}
    pairs = combinations(range(len(word)), 2)
    return once | {word} | {word[:i] + word[i + 1 : j] + word[j + 1 :] for i, j in pairs}


@lru_cache(maxsize=2**14)
def _distance(one: str, other: str) -> int:
    """Returns the edits between two words, a swap of neighbors counted once."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one, start=1):
        older, before, row = before, row, [i]
        for j, wanted in enumerate(other, start=1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (letter != wanted))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == wanted:
                cost = min(cost, older[j - 2] + 1)
            row.append(cost)
    return row[-1]
