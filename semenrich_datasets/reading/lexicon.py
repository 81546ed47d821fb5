"""What reports speak of, as data: concepts, the phrases that name them, what follows from what.

The words live in TOML files: `english.toml` for what every report does (deny, doubt, compare), one
file a body part that inherits it (`chest_xray.toml`, where every table and key is explained), and
files of a user's own that extend one of these with a few lines; `lexicon_files` merges them. This
module checks them and turns them into look-up tables.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from semenrich_datasets.reading.lexicon_entries import (
    ANYTHING,
    MISSPELT,
    Finding,
    Meaning,
    Narrowing,
    Question,
    Structure,
    check_references,
    collect_meanings,
    read_entry,
    read_words,
    tokenize,
)
from semenrich_datasets.reading.spelling import Spelling

Tables = dict[str, Any]

TABLES = ("structures", "findings", "narrowing", "questions", "words")


@dataclass(frozen=True, eq=False)
class Lexicon:
    """A checked lexicon, compared by its digest.

    Make one with [`load_lexicon`] or [`Lexicon.from_tables`].

    Args:
        name (`str`): of the file that it was loaded from.
        tables (`dict`): all that its files say, merged: JSON values.
        structures (`Mapping[str, Structure]`): the parts of the body.
        findings (`Mapping[str, Finding]`): what can be wrong.
        narrowings (`Mapping[str, Narrowing]`): what makes a denial say less.
        questions (`Mapping[str, Question]`): what a history puts at issue.
        meanings (`Mapping[tuple[str, ...], Meaning]`): what each phrase means.
    """

    name: str
    tables: Tables = field(repr=False)
    structures: Mapping[str, Structure] = field(repr=False)
    findings: Mapping[str, Finding] = field(repr=False)
    narrowings: Mapping[str, Narrowing] = field(repr=False)
    questions: Mapping[str, Question] = field(repr=False)
    meanings: Mapping[tuple[str, ...], Meaning] = field(repr=False)

    @classmethod
    def from_tables(cls, name: str, tables: Tables) -> Lexicon:
        """Checks merged tables and compiles them.

        Args:
            name (`str`): What errors call it.
            tables (`dict`): "structures", "findings", "narrowing", "questions" and "words", as in
                the files.

        Returns:
            [`Lexicon`]

        Raises:
            ValueError: If a table or key is unknown, missing, of the wrong type, or names a concept
                that the tables do not hold.
        """
        tables = {"questions": {}, **tables}
        if set(tables) != set(TABLES):
            raise ValueError(
                f"Lexicon {name}: expected the tables {sorted(TABLES)}, found {sorted(tables)}. "
                'A file with a few lines of its own starts with inherits = "chest_xray".'
            )
        parts = (
            {key: read_entry(kind, key, entry) for key, entry in tables[table].items()}
            for table, kind in zip(TABLES, (Structure, Finding, Narrowing, Question), strict=False)
        )
        structures, findings, narrowings, questions = parts
        check_references(structures, findings, narrowings, questions)
        words = read_words(tables["words"])
        meanings = collect_meanings(structures, findings, narrowings, words)
        return cls(name, tables, structures, findings, narrowings, questions, meanings)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of all that it says, in hex; the name does not count."""
        canonical = json.dumps(self.tables, sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(canonical.encode()).hexdigest()

    def __eq__(self, other: object) -> bool:
        """Whether both say the same."""
        return isinstance(other, Lexicon) and self.digest == other.digest

    def __hash__(self) -> int:
        """Hash of the digest."""
        return hash(self.digest)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickles to its tables: the same bytes whatever was looked up in it."""
        return Lexicon.from_tables, (self.name, self.tables)

    @cached_property
    def concepts(self) -> tuple[str, ...]:
        """Every concept once, in the file's order, `ANYTHING` first."""
        return (ANYTHING, *self.structures, *self.findings)

    @cached_property
    def numbers(self) -> Mapping[str, int]:
        """The place of each concept in `concepts`."""
        return {concept: number for number, concept in enumerate(self.concepts)}

    @cached_property
    def compiled(self) -> dict[Any, Any]:
        """What `entailment` has compiled of assertions."""
        return {}

    @cached_property
    def longest_phrase(self) -> Mapping[str, int]:
        """For each first token the length of the longest phrase that starts with it."""
        lengths: dict[str, int] = {}
        for phrase in self.meanings:
            lengths[phrase[0]] = max(len(phrase), lengths.get(phrase[0], 0))
        return lengths

    @cached_property
    def identifying_tokens(self) -> frozenset[str]:
        """Words that can recognize a patient, also inside a longer phrase."""
        roles = {"identifying", "blank", "left", "right"}
        return frozenset(
            phrase[0]
            for phrase, meaning in self.meanings.items()
            if len(phrase) == 1 and meaning.roles & roles
        )

    @cached_property
    def naming_tokens(self) -> frozenset[str]:
        """Words of [`identifying_tokens`] but the sides, which tell nobody."""
        return self.identifying_tokens - self._words("left") - self._words("right")

    @cached_property
    def acronyms(self) -> frozenset[str]:
        """Words that are written in capitals."""
        return frozenset(self.tables["words"].get("acronym", ()))

    @cached_property
    def descriptions(self) -> Mapping[tuple[str, tuple[str, ...]], str]:
        """The finding that a word names when it is said of a structure."""
        return {
            (structure, phrase): name
            for name, finding in self.findings.items()
            for structure in finding.of
            for phrase in map(tokenize, finding.described)
        }

    @cached_property
    def questions_by_word(self) -> Mapping[str, list[tuple[tuple[str, ...], tuple[str, ...]]]]:
        """The phrases that put something at issue, with what they ask for, by their first word."""
        found: dict[str, list[tuple[tuple[str, ...], tuple[str, ...]]]] = {}
        for question in self.questions.values():
            for phrase in map(tokenize, question.words):
                found.setdefault(phrase[0], []).append((phrase, question.asks))
        return found

    @cached_property
    def negations(self) -> frozenset[str]:
        """The single words that deny what follows."""
        return self._words("negation")

    @cached_property
    def callings(self) -> Mapping[tuple[str, tuple[str, ...]], str]:
        """The structure that a word calls normal when it is said of another."""
        return {
            (other, phrase): name
            for name, structure in self.structures.items()
            for other in structure.called_of
            for phrase in map(tokenize, structure.called)
        }

    @cached_property
    def below(self) -> Mapping[str, frozenset[str]]:
        """The concepts that are denied with each concept, itself included."""
        return _closure(self.concepts, _inverse(self._parents()))

    @cached_property
    def families(self) -> Mapping[str, frozenset[str]]:
        """The findings that each concept is a kind of, itself included."""
        return {
            name: frozenset(other for other in self.findings if name in self.below[other])
            for name in self.concepts
        }

    @cached_property
    def place_levels(self) -> Mapping[str, str]:
        """The level of each place word that has one: "upper", "middle" or "lower"."""
        return {
            " ".join(tokenize(word)): level
            for entry in self.narrowings.values()
            for level in ("upper", "middle", "lower")
            for word in getattr(entry, level)
        }

    @cached_property
    def both_words(self) -> frozenset[str]:
        """Words that say that something is on both sides."""
        return self._words("both")

    @cached_property
    def change_words(self) -> frozenset[str]:
        """Words of change over time."""
        return self._words("change")

    def _words(self, role: str) -> frozenset[str]:
        meanings = self.meanings.items()
        return frozenset(p[0] for p, said in meanings if len(p) == 1 and role in said.roles)

    @cached_property
    def names_studies(self) -> bool:
        """Whether it tells by which words a study of its kind is known."""
        return any("study" in meaning.roles for meaning in self.meanings.values())

    @cached_property
    def region(self) -> frozenset[str]:
        """What is in the structures that a summary of the whole study speaks of.

        A report that asserts nothing of these is of another kind than the lexicon's.
        """
        members = {member for entry in self.structures.values() for member in entry.overview_of}
        overviews = {name for name, entry in self.structures.items() if entry.overview_of}
        return frozenset(overviews.union(*(self.below[member] for member in members)))

    @cached_property
    def summaries(self) -> frozenset[str]:
        """What speaks of the whole study, and of no part of it by itself."""
        overviews = (name for name, entry in self.structures.items() if entry.overview_of)
        return frozenset((ANYTHING, *overviews))

    @cached_property
    def everything(self) -> str:
        """The structure that "no abnormality" speaks of in studies of this kind; "" for none."""
        return next((name for name, entry in self.structures.items() if entry.everything), "")

    def in_full(self, sentence: str) -> str:
        """Gives what a sentence that sums up a study ("Negative chest") says in full.

        Args:
            sentence (`str`): A sentence.

        Returns:
            `str`: "normal" and the first noun of the structure that it sums up, where the whole of
            it, articles aside, is one of its phrases; else the sentence itself.
        """
        words = tuple(word for word in tokenize(sentence) if word not in self._articles)
        return self._summed_up.get(words, sentence)

    @cached_property
    def _articles(self) -> frozenset[str]:
        return self._words("article")

    @cached_property
    def _summed_up(self) -> Mapping[tuple[str, ...], str]:
        return {
            tokenize(phrase): f"normal {structure.nouns[0]}"
            for structure in self.structures.values()
            for phrase in structure.summed_up
        }

    @cached_property
    def out_of_view(self) -> frozenset[str]:
        """What is in the structures that studies of this kind do not show."""
        hidden = (name for name, entry in self.structures.items() if entry.out_of_view)
        return frozenset().union(*(self.below[name] for name in hidden))

    @cached_property
    def above(self) -> Mapping[str, frozenset[str]]:
        """The concepts that nobody may deny once a concept is stated, itself included.

        What a finding suggests is not inherited: an opacity may be a consolidation, but a scar,
        which is an opacity too, is not.
        """
        parents = self._parents()
        for name, structure in self.structures.items():
            for member in structure.overview_of:
                parents[member].add(name)
        for name, higher in parents.items():
            if name != ANYTHING:
                higher.add(ANYTHING)
        climbed = _closure(self.concepts, parents)
        suggested = {name: finding.suggests for name, finding in self.findings.items()}
        return {
            name: climbed[name].union(*(climbed[other] for other in suggested.get(name, ())))
            for name in self.concepts
        }

    def _parents(self) -> dict[str, set[str]]:
        parents: dict[str, set[str]] = {ANYTHING: set()}
        for name, structure in self.structures.items():
            parents[name] = {structure.part_of} if structure.part_of else set()
        for name, finding in self.findings.items():
            parents[name] = {*finding.of, *finding.kind_of}
        return parents

    @cached_property
    def spelling(self) -> Spelling:
        """Finds the words of findings, structures and "evidence" for which a misspelt one stands.

        What denies or praises by itself is not among them: no misspelling says that all is well.
        """
        named = {phrase for phrase, meaning in self.meanings.items() if meaning.is_name}
        words = {word for phrase in named for word in phrase}
        others = {word for word in words if (word,) in self.meanings and (word,) not in named}
        return Spelling(words - others | {"evidence"})

    @cached_property
    def vocabulary(self) -> frozenset[str]:
        """Every word of every phrase."""
        return frozenset(word for phrase in self.meanings for word in phrase)

    def tag(self, text: str) -> list[Meaning]:
        """Reads a text as its longest known phrases, left to right.

        A word that the lexicon does not hold is read as the one that it may be a misspelling of,
        and marked so.

        Args:
            text (`str`): A sentence.

        Returns:
            `list[Meaning]`: One per phrase; an unknown token has a meaning without any role.
        """
        written = tokens = tokenize(text)
        if not self.vocabulary.issuperset(written):
            known, correct = self.vocabulary, self.spelling.correct
            tokens = tuple(word if word in known else correct(word) for word in written)
        tags: list[Meaning] = []
        start = 0
        while start < len(tokens):
            length, meaning = self._longest(tokens, start)
            if (
                tokens is not written
                and tokens[start : start + length] != written[start : start + length]
            ):
                meaning = replace(meaning, roles=meaning.roles | {MISSPELT})
            tags.append(meaning)
            start += length
        return tags

    def _longest(self, tokens: tuple[str, ...], start: int) -> tuple[int, Meaning]:
        for length in range(self.longest_phrase.get(tokens[start], 0), 0, -1):
            meaning = self.meanings.get(tokens[start : start + length])
            if meaning is not None:
                return length, meaning
        return 1, Meaning(phrase=tokens[start : start + 1])


def _inverse(edges: Mapping[str, Iterable[str]]) -> dict[str, set[str]]:
    inverse: dict[str, set[str]] = {}
    for source, targets in edges.items():
        for target in targets:
            inverse.setdefault(target, set()).add(source)
    return inverse


def _closure(
    concepts: Iterable[str], edges: Mapping[str, Iterable[str]]
) -> dict[str, frozenset[str]]:
    """Everything that can be reached from each concept, itself included."""
    return {concept: frozenset(_reach(concept, edges)) for concept in concepts}


def _reach(concept: str, edges: Mapping[str, Iterable[str]]) -> Iterator[str]:
    seen, waiting = {concept}, [concept]
    while waiting:
        current = waiting.pop()
        yield current
        new = set(edges.get(current, ())) - seen
        seen |= new
        waiting.extend(new)
