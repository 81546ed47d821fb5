"""How much of a corpus was understood, and what to add to the lexicon for the rest."""

from __future__ import annotations

import json
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from semenrich_datasets.chat import Ask, parse_choice
from semenrich_datasets.reading import Reader
from semenrich_datasets.reading.lexicon_files import packaged_lexicons

#: Least share of sentences that should be understood; below it an index warns.
LEAST_UNDERSTOOD = 0.7
# A word or sentence that fewer reports hold may be one patient's own, and is not shown.
_SHOWN_FROM = 3

_QUESTION = """\
A lexicon for reading radiology reports lacks a word. Which of these is it?

- finding: something that a healthy person's report would not state.
- structure: a part of the body.
- normal: it calls a structure healthy.
- other: none of these.

Answer with one of these four words and nothing else.

Word: {word}
Sentence: {sentence}"""
_KINDS = ("finding", "structure", "normal", "other")


@dataclass(frozen=True)
class Unread:
    """A word or a sentence that is not understood.

    Args:
        text (`str`): It.
        reports (`int`): Reports that hold it, summed over the sentences that do.
        example (`str`): A sentence that holds it, of those the most common.
    """

    text: str
    reports: int
    example: str


@dataclass(frozen=True)
class Coverage:
    """How much of a corpus was understood.

    Args:
        share (`float`): Of all sentences of all reports, 0 to 1.
        words (`Sequence[Unread]`): Words that the lexicon lacks, the most common first.
        sentences (`Sequence[Unread]`): Sentences that were not understood, the most common first.
    """

    share: float
    words: Sequence[Unread]
    sentences: Sequence[Unread]

    def __str__(self) -> str:
        """Writes it as lines of text."""
        lines = [f"{self.share:.0%} of the sentences were understood"]
        for name, items in (("words", self.words[:8]), ("sentences", self.sentences[:5])):
            if items:
                told = ", ".join(f"{item.text!r} ({item.reports:,})" for item in items)
                lines.append(f"  {name} that were not, with how often: {told}")
        return "\n".join(lines)


def coverage(sentences: pa.Table, reader: Reader) -> Coverage:
    """Tells how much of a corpus was understood.

    Args:
        sentences (`pyarrow.Table`): Of the index.
        reader ([`Reader`]): Of the index.

    Returns:
        [`Coverage`]: Words and sentences that at least 3 reports hold. The examples may be of
        fewer: show them to nobody who may not see the reports.
    """
    occurrences = sentences.column("occurrences")
    understood = pc.sum(pc.filter(occurrences, sentences.column("understood"))).as_py() or 0
    unread = sentences.filter(pc.invert(sentences.column("understood")))
    held: Counter[str] = Counter()
    examples: dict[str, str] = {}
    rows = unread.select(["text", "reports"]).to_pylist()
    for row in rows:
        for word in dict.fromkeys(reader.read(row["text"]).unknown):
            held[word] += row["reports"]
            examples.setdefault(word, row["text"])
    words = [Unread(word, n, examples[word]) for word, n in held.most_common() if n >= _SHOWN_FROM]
    whole = [
        Unread(row["text"], row["reports"], row["text"])
        for row in rows
        if row["reports"] >= _SHOWN_FROM
    ]
    return Coverage(understood / max(pc.sum(occurrences).as_py() or 0, 1), words, whole)


def warn_of_unread(found: Coverage, lexicon: str) -> None:
    """Warns when too little was understood for silence to mean anything."""
    if found.share < LEAST_UNDERSTOOD:
        warnings.warn(
            f"{found}\nReports that the lexicon {lexicon!r} does not understand get no additions. "
            "Pass lexicon= another one, or extend it: `semenrich lexicon suggest INDEX` lists what "
            "is missing (docs/lexicon.md).",
            UserWarning,
            stacklevel=3,
        )


def suggest_lexicon(
    sentences: pa.Table, reader: Reader, *, most: int = 40, ask: Ask | None = None
) -> str:
    """Writes the words that a lexicon lacks as lines of a TOML file, ready to be completed.

    Args:
        sentences (`pyarrow.Table`): Of the index.
        reader ([`Reader`]): Of the index.
        most (`int`, *optional*, defaults to `40`): Words listed.
        ask (`Callable[[Sequence[str]], list[str]]`, *optional*): A chat model, such as
            [`~chat.PipelineChat`], that proposes what each word is. A person decides: all that is
            proposed stands in comments.

    Returns:
        `str`: A file that inherits the lexicon; each entry a comment to be uncommented.
    """
    words = coverage(sentences, reader).words[:most]
    kinds = ["other"] * len(words) if ask is None else _ask_kinds(words, ask)
    name = reader.lexicon.name
    lines = [
        f'inherits = "{name if name in packaged_lexicons() else name + ".toml"}"',
        "",
        "# Uncomment what is right, put phrases together, and delete the rest.",
    ]
    for word, kind in zip(words, kinds, strict=True):
        quoted = json.dumps(word.text)
        lines += ["", f"# {word.reports:,} reports, such as: {word.example}"]
        if kind == "structure":
            lines += [f"# [structures.{word.text}]", f"# nouns = [{quoted}]"]
        elif kind == "normal":
            lines += ["# [words]", f"# normal = [{quoted}]"]
        else:
            lines += [f"# [findings.{word.text}]", f"# phrases = [{quoted}]", "# of = []"]
    return "\n".join(lines) + "\n"


def _ask_kinds(words: Sequence[Unread], ask: Ask) -> list[str]:
    questions = [_QUESTION.format(word=word.text, sentence=word.example) for word in words]
    return [parse_choice(answer, _KINDS) or "other" for answer in ask(questions)]
