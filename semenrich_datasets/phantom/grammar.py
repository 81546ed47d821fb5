"""The sentences of synthetic reports, and what each of them says.

The sentences themselves are data: the text files beside this one. normal.txt and abnormal.txt are
everybody's; the others belong to one hospital, or to authors with habits.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import accumulate, product
from random import Random
from typing import NamedTuple

from semenrich_datasets.phantom.truth import FINDINGS, HEDGE, NORMALS, Statement

COMMON = ("normal.txt", "abnormal.txt")
OTHERS = ("hedges.txt", "beside.txt", "hospital_b.txt", "hospital_c.txt", "labels.txt")
_CHOICE = re.compile(r"\[([^\[\]]*)\]")
_HEADING = "== "
_SKEW = 1.4  # Zipf exponent of a block's lines: few are said often, as in real reports
_ASIDES = frozenset(("prior", "blank"))

# How a value or a site is put; what is not here stands as it is. The most usual first.
_WORDS = {
    "marked": ("marked", "severe"),
    "dense": ("dense", "confluent"),
    "12 mm": ("12 mm", "1.2 cm"),
    "18 mm": ("18 mm", "1.8 cm"),
    "25 mm": ("2.5 cm", "25 mm"),
    "right upper": ("right upper lobe", "right upper lung", "right upper lung zone"),
    "left upper": ("left upper lobe", "left upper lung", "left upper lung zone"),
    "right mid": ("right middle lobe", "right mid lung", "right midlung zone"),
    "left mid": ("left mid lung", "lingula", "left midlung zone"),
    "right lower": ("right lower lobe", "right lung base", "right lower lung"),
    "left lower": ("left lower lobe", "left lung base", "left lower lung"),
    "right apex": ("right apex", "right lung apex"),
    "left apex": ("left apex", "left lung apex"),
}


@dataclass(frozen=True)
class Rule:
    """One block of the grammar.

    Args:
        names (`tuple[str, ...]`): the statements that each sentence makes; a value or a site in a
            sentence is the first one's.
        both (`bool`): whether the first one is said of both its sites at once.
        asides (`frozenset[str]`): "prior" and "blank" where the sentences also make these.
        sentences (`tuple[str, ...]`): all choices resolved, `{value}` and `{site}` open.
        cumulative (`tuple[float, ...]`): running sums of the sentences' frequencies.
    """

    names: tuple[str, ...]
    both: bool
    asides: frozenset[str]
    sentences: tuple[str, ...]
    cumulative: tuple[float, ...]

    @property
    def is_plain(self) -> bool:
        """Whether it says one statement and nothing else."""
        return len(self.names) == 1 and not self.both and not self.asides

    @property
    def is_bilateral(self) -> bool:
        """Whether it says one finding of both sides, and nothing else."""
        return self.both and len(self.names) == 1 and len(FINDINGS[self.names[0]].sites) == 2

    def covers(self, pending: dict[str, list[Statement]], asides: frozenset[str]) -> bool:
        """Tells whether all that the rule says is still to be said (by name, lists not empty)."""
        if not self.asides <= asides or any(name not in pending for name in self.names):
            return False
        return not self.both or len(pending[self.names[0]]) == 2

    def draw(self, rng: Random) -> str:
        """Draws a sentence with its slots open, at the frequencies of the grammar."""
        return rng.choices(self.sentences, cum_weights=self.cumulative)[0]

    def meaning(self, sentence: str, value: str, site: str) -> tuple[Statement, ...]:
        """Gives what one of the rule's sentences says, filled with this value and site."""
        value = value if "{value}" in sentence else ""
        sites: tuple[str, ...] = (site,) if "{site}" in sentence else ("",)
        if self.both and len(FINDINGS[self.names[0]].sites) == 2:
            sites = FINDINGS[self.names[0]].sites
        first = [Statement(self.names[0], value, place) for place in sites]
        others = [Statement(name) for name in (*self.names[1:], *sorted(self.asides))]
        return (*first, *others)


@cache
def rules(*names: str) -> tuple[Rule, ...]:
    """Reads the grammar, or these files of it: those rules that say more at once come first."""
    read = [_make_rule(block) for name in names or COMMON for block in read_blocks(name)]
    return tuple(sorted(read, key=lambda rule: -len(rule.names)))


class Block(NamedTuple):
    """A block of a text file: its lines, all choices resolved, and running sums of their shares."""

    heading: str
    sentences: tuple[str, ...]
    cumulative: tuple[float, ...]


def read_blocks(name: str) -> list[Block]:
    """Reads the blocks of a text file of this folder."""
    text = (files(__package__) / name).read_text(encoding="utf-8")
    return [_read_block(block) for block in text.split("\n" + _HEADING)[1:]]


def _read_block(block: str) -> Block:
    heading, *lines = (line for line in block.splitlines() if line)
    weights: dict[str, float] = {}
    for rank, line in enumerate(lines, start=1):
        for sentence, weight in _resolve(line):
            weights[sentence] = weights.get(sentence, 0.0) + weight / rank**_SKEW
    return Block(heading, tuple(weights), tuple(accumulate(weights.values())))


def _make_rule(block: Block) -> Rule:
    parts = block.heading.split(" + ")
    names = tuple(part.removesuffix(" both") for part in parts if part not in _ASIDES)
    return Rule(
        names=names or tuple(parts),
        both=parts[0].endswith(" both"),
        asides=_ASIDES.intersection(parts) if names else frozenset(),
        sentences=block.sentences,
        cumulative=block.cumulative,
    )


def _resolve(line: str) -> Iterator[tuple[str, float]]:
    """Yields each reading of a line with its share of the line's frequency (Zipf over choices)."""
    choice = _CHOICE.search(line)
    if choice is None:
        yield " ".join(line.split()), 1.0
        return
    options = choice[1].split("|")
    total = sum(1 / rank for rank in range(1, len(options) + 1))
    for rank, option in enumerate(options, start=1):
        for sentence, weight in _resolve(line[: choice.start()] + option + line[choice.end() :]):
            yield sentence, weight / rank / total


def fill(sentence: str, value: str, site: str, rng: Random) -> str:
    """Fills a sentence's slots with words for a value and a site."""
    for slot, key in (("{value}", value), ("{site}", site)):
        if slot in sentence:
            words = _WORDS.get(key, (key,))
            sentence = sentence.replace(slot, rng.choices(words, range(len(words), 0, -1))[0])
    return sentence


@cache
def sentence_index() -> dict[str, tuple[Statement, ...]]:
    """Maps every sentence of the grammar, in lower case without its stop, to what it says.

    Raises:
        ValueError: If two blocks of the grammar share a sentence.
    """
    index: dict[str, tuple[Statement, ...]] = {}
    for rule in rules(*COMMON, *OTHERS):
        for sentence in rule.sentences:
            for filled, meaning in _readings(rule, sentence):
                if index.setdefault(filled.lower(), meaning) != meaning:
                    raise ValueError(
                        f"Expected one meaning per sentence, found {index[filled.lower()]} and "
                        f"{meaning} for {filled!r}: remove it from one block of the grammar."
                    )
    return index


def _readings(rule: Rule, sentence: str) -> Iterator[tuple[str, tuple[Statement, ...]]]:
    values, sites = _domain(rule.names[0])
    for value in values if "{value}" in sentence else ("",):
        for site in sites if "{site}" in sentence else ("",):
            meaning = rule.meaning(sentence, value, site)
            for word, place in product(_WORDS.get(value, (value,)), _WORDS.get(site, (site,))):
                yield sentence.replace("{value}", word).replace("{site}", place), meaning


def _domain(name: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    finding = FINDINGS.get(name.removeprefix(HEDGE))
    if finding is not None:
        return finding.values, finding.sites
    return ("",), tuple(normal.site for normal in NORMALS if normal.name == name)
