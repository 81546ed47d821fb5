"""Texts that nobody would write in a report, of many kinds, each drawn anew from a number."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

MARKS = "().,;:!?-/*#[]{}<>\"'`~^_=+|\\&%$@•–·…¦?؟。"
SPACES = " \t\n\r\x0b\x0c\x1c\x1d\x1e\x1f\x85\xa0\u2028\u2029\u3000\\n"
MARKUP = (
    "<br>|<br />|<b>|</b>|<p class='x'>|&nbsp;|&lt;|[**Name**]|___|XXXX|http://a.b/c?d=e|**FINDINGS:**|"
    "IMPRESSION:|1.|2)|- |<script>alert(1)</script>|{{x}}|${x}|%s|\\n|\\r|=cmd()|\x00|&#x27;|j@k.l"
).split("|")
CONTROL = [chr(code) for code in (*range(32), *range(0x7F, 0xA0), 0xAD, 0x200B, 0x202E, 0xFEFF)]


@dataclass(frozen=True)
class Sources:
    """What texts are made of.

    Args:
        words (`Sequence[str]`): of the lexicon.
        reports (`Sequence[str]`): made-up findings and impressions.
    """

    words: Sequence[str]
    reports: Sequence[str]


Kind = Callable[[random.Random, int, Sources], str]


def _fill(rng: random.Random, length: int, draw: Callable[[], str], between: str = " ") -> str:
    """Pieces up to a length in characters; drawn from at most 2,000 and repeated in any order."""
    pieces: list[str] = []
    size = 0
    while size < length:
        piece = draw() if len(pieces) < 2_000 else rng.choice(pieces)
        pieces.append(piece)
        size += len(piece) + len(between) or 1
    return between.join(pieces)[:length]


def lexicon_words(rng: random.Random, length: int, of: Sources) -> str:
    """Words of the lexicon in any order, with no mark at all."""
    return _fill(rng, length, lambda: rng.choice(of.words))


def lexicon_sentences(rng: random.Random, length: int, of: Sources) -> str:
    """The same, in sentences, with commas, capitals and misspellings."""

    def sentence() -> str:
        words = [rng.choice(of.words) for _ in range(rng.randint(1, 12))]
        spoilt = rng.randrange(len(words))
        if rng.random() < 0.3:
            words[spoilt] = mutated(rng, len(words[spoilt]), Sources((), [words[spoilt]]))
        text = rng.choice((" ", ", ", " ", "/", "-")).join(words)
        return text.capitalize() + rng.choice((".", ".", "", "..", ";", "?", "!", ":", "\n"))

    return _fill(rng, length, sentence, rng.choice((" ", "", "\n")))


def any_unicode(rng: random.Random, length: int, _of: Sources) -> str:
    """Characters of all planes, lone surrogates among them."""
    tops = (0x7F, 0x2FF, 0xFFFF, 0x1FFFF, 0x10FFFF)
    return "".join([chr(rng.randint(0, rng.choice(tops))) for _ in range(length)])


def control_characters(rng: random.Random, length: int, of: Sources) -> str:
    """Words with characters between and in them that nobody sees."""
    return _fill(rng, length, lambda: rng.choice((rng.choice(CONTROL), rng.choice(of.words))), "")


def accents(rng: random.Random, length: int, of: Sources) -> str:
    """Letters under many accents, ligatures and full-width forms."""
    odd = ("\u0301", "\u0327", "\ufb03", "\uff21", "\ufdfa", "\u0345", "\u1e9b", "İ", "ß")
    return _fill(rng, length, lambda: rng.choice((rng.choice(odd), rng.choice(of.words))), "")


def long_word(rng: random.Random, length: int, of: Sources) -> str:
    """One word: letters, or words of the lexicon glued."""
    if rng.random() < 0.5:
        return "".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=length))
    return _fill(rng, length, lambda: rng.choice(of.words).replace(" ", ""), "")


#: Pieces that make what looks for an end look far, or what sorts sort long.
PIECES = (
    *MARKS, *SPACES, *MARKUP, "1", "1 x ", "1x1 x ", "9 - ", "1 to ", "1.", "1. ", "a-",
    "a-\n", "a.b.", "non ", "no ", "No", "aB", "aaaB", "0cm", "\u0301\u0327", "\u3099\u0345",
    "\U0001d165\U0001d16d",
    "\u1100\u1161", "<br", "\\", "or ", "and, ", "left ", "effusion ", "heart, ", "x" * 60 + "\n",
)  # fmt: skip
#: What they stand behind.
HEADS = ("", "Small left nodule of ", "No ")


def repeated(rng: random.Random, length: int, of: Sources) -> str:
    """One mark, space, word or piece of markup, over and over, behind a beginning of a sentence."""
    piece = rng.choice((rng.choice(PIECES), rng.choice(of.words) + " "))
    if rng.random() < 0.5:
        piece += rng.choice(PIECES)
    return repeat(piece, rng.choice(HEADS), length) + rng.choice(("", "a", " normal.", " cm"))


def repeat(piece: str, head: str, length: int) -> str:
    """A piece behind a beginning, as often as fits."""
    return (head + piece * (length // len(piece) + 1))[:length]


def parentheses(rng: random.Random, length: int, of: Sources) -> str:
    """Parentheses in parentheses, closed or not, with words in them."""
    opening, closing = rng.choice(("()", "[]", "{}", "<>", "((", "))"))
    words = [rng.choice((*of.words, "")) for _ in range(7)]
    depth = max(1, length // (2 + max(map(len, words))) // 2)
    return "".join(
        [f"{opening}{words[i % 7]}" for i in range(depth)]
        + [f"{words[i % 5]}{closing}" for i in range(depth)]
    )[:length]


def lines(rng: random.Random, length: int, of: Sources) -> str:
    """Short and long lines, lists, headings, white space of all kinds."""

    def line() -> str:
        words = " ".join([rng.choice(of.words) for _ in range(rng.randint(0, 15))])
        mark = rng.choice(("", "", "- ", "* ", f"{rng.randint(0, 99)}. ", "FINDINGS: ", "\t"))
        return mark + words + rng.choice(("", ".", ",", "-")) + rng.choice(SPACES)

    return _fill(rng, length, line, rng.choice(("", "\n", "\r\n", "<br>", "\\n")))


def numbers(rng: random.Random, length: int, of: Sources) -> str:
    """Measures, dates, lists and digits of other scripts."""

    def number() -> str:
        value = rng.choice((rng.randint(0, 9), rng.randint(0, 10**9), round(rng.random() * 9, 3)))
        form = rng.choice(("{} cm", "{} x {} mm", "{}.", "{})", "{}/{}/{}", "{}-{}", "٣{}", "{}²"))
        return form.format(value, value, value) + rng.choice(("", " " + rng.choice(of.words)))

    return _fill(rng, length, number, rng.choice((" ", "", " x ", ".")))


def markup(rng: random.Random, length: int, of: Sources) -> str:
    """Markup, addresses and blanks of de-identification among words."""
    return _fill(
        rng,
        length,
        lambda: rng.choice((rng.choice(MARKUP), rng.choice(of.words))),
        rng.choice(" |"),
    )


def latin_bytes(rng: random.Random, length: int, _of: Sources) -> str:
    """Bytes decoded as latin-1."""
    return rng.randbytes(length).decode("latin-1")


def glued_reports(rng: random.Random, length: int, of: Sources) -> str:
    """Pieces of reports, cut anywhere and glued."""

    def piece() -> str:
        report = rng.choice(of.reports)
        start = rng.randrange(len(report) + 1)
        return report[start : start + rng.randint(1, 120)]

    return _fill(rng, length, piece, rng.choice(("", " ", ". ", "\n")))


def mutated(rng: random.Random, length: int, of: Sources) -> str:
    """Reports of which some characters were taken out, doubled, changed or moved."""
    text = _fill(rng, length, lambda: rng.choice(of.reports))
    characters = list(text)
    for _ in range(1 + min(len(text) // 20, 5_000)):
        if not characters:
            break
        place = rng.randrange(len(characters))
        other = rng.choice((*MARKS, *SPACES, *CONTROL, chr(rng.randint(32, 0xFFFF)), ""))
        change = rng.randrange(4)
        if change == 0:
            characters[place] = other
        elif change == 1:
            characters[place] *= 2
        elif change == 2:
            characters[place] = characters[rng.randrange(len(characters))]
        else:
            characters[place] = characters[place].swapcase() + other
    return "".join(characters)[:length]


#: By name, in the order in which they are drawn.
KINDS: dict[str, Kind] = {
    kind.__name__: kind
    for kind in (
        lexicon_words,
        lexicon_sentences,
        any_unicode,
        control_characters,
        accents,
        long_word,
        repeated,
        parentheses,
        lines,
        numbers,
        markup,
        latin_bytes,
        glued_reports,
        mutated,
    )
}


def draw_text(seed: int, number: int, sources: Sources) -> tuple[str, str]:
    """Draws the text of a number: most short, one in a thousand of up to 20,000 characters.

    Args:
        seed (`int`): Of the run.
        number (`int`): Of the text, from 0.
        sources ([`Sources`]): What it is made of.

    Returns:
        `tuple[str, str]`: Name of its kind, and the text.
    """
    rng = random.Random(f"{seed}:{number}")
    name = list(KINDS)[number % len(KINDS)]
    longest = 20_000 if rng.random() < 0.001 else 600
    length = int(longest ** rng.random())
    return name, KINDS[name](rng, length, sources)
