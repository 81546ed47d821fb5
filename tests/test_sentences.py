"""Sentences and their characters, and prose back from them."""

import string
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semenrich_datasets.reading import Reader
from semenrich_datasets.sentences import (
    append_sentences,
    join_sentences,
    normalize_sentence,
    plain_text,
    sentence_spans,
    split_paper,
    split_sentences,
)

CASES = {
    "decimal": (
        "A 1.5 cm nodule. It grew by 0.3 cm.",
        ["A 1.5 cm nodule.", "It grew by 0.3 cm."],
    ),
    "decimal before the stop": ("Ratio of 0.5. Stable.", ["Ratio of 0.5.", "Stable."]),
    "Dr.": ("Seen by Dr. Brown today. Stable.", ["Seen by Dr. Brown today.", "Stable."]),
    "vs.": ("Scar vs. atelectasis. Stable.", ["Scar vs. atelectasis.", "Stable."]),
    "approx.": ("Nodule of approx. 2 cm. Stable.", ["Nodule of approx. 2 cm.", "Stable."]),
    "e.g.": ("Old disease, e.g. scars. Stable.", ["Old disease, e.g. scars.", "Stable."]),
    "p.m. inside": ("Done at 5 p.m. by phone.", ["Done at 5 p.m. by phone."]),
    "p.m. last": ("Done at 5 p.m. Heart normal.", ["Done at 5 p.m.", "Heart normal."]),
    "initials": ("Old T.B. scars. Stable.", ["Old T.B. scars.", "Stable."]),
    "abbreviation at the end": ("Seen by Dr.", ["Seen by Dr."]),
    "numbered impression": (
        "1. Clear lungs. 2. No effusion. 3. Stable.",
        ["Clear lungs.", "No effusion.", "Stable."],
    ),
    "numbered, no stops": (
        "1. Clear lungs 2. No effusion 3. Stable",
        ["Clear lungs", "No effusion", "Stable"],
    ),
    "numbered with brackets": ("1) Clear lungs. 2) Stable.", ["Clear lungs.", "Stable."]),
    "numbered on lines": ("1. Clear lungs\n2. No effusion\n", ["Clear lungs", "No effusion"]),
    "counted noun in a list": (
        "1. Nodule in segment 2. Follow up.",
        ["Nodule in segment 2.", "Follow up."],
    ),
    "dashes": ("- Clear lungs\n- No effusion", ["Clear lungs", "No effusion"]),
    "bullets": ("• Clear lungs\n• No effusion", ["Clear lungs", "No effusion"]),
    "line break for a stop": ("Clear lungs\nNo effusion", ["Clear lungs", "No effusion"]),
    "blank line": ("clear lungs\n\nno effusion", ["clear lungs", "no effusion"]),
    "wrapped line": (
        "There is no focal consolidation, effusion or pneumothorax in the\nright lung. Stable.",
        [
            "There is no focal consolidation, effusion or pneumothorax in the\nright lung.",
            "Stable.",
        ],
    ),
    "Windows line ends": ("Clear lungs.\r\nStable.", ["Clear lungs.", "Stable."]),
    "no final stop": ("Clear lungs. No effusion", ["Clear lungs.", "No effusion"]),
    "doubled stop": ("Clear lungs.. No effusion.", ["Clear lungs..", "No effusion."]),
    "stop apart": ("Clear lungs. . No effusion.", ["Clear lungs.", "No effusion."]),
    "no space behind the stop": (
        "Scar in the apex.There is no effusion.",
        ["Scar in the apex.", "There is no effusion."],
    ),
    "no space, small letter": (
        "Lungs are clear.there is no effusion",
        ["Lungs are clear.", "there is no effusion"],
    ),
    "question": ("Nodule? Follow up.", ["Nodule?", "Follow up."]),
    "blank": ("Compared to XXXX. Stable.", ["Compared to XXXX.", "Stable."]),
    "nothing": ("", []),
    "white space": (" \n\t ", []),
    "marks only": ("... - . ..", []),
}


@pytest.mark.parametrize("case", CASES)
def test_split(case):
    text, expected = CASES[case]
    assert split_sentences(text) == expected


def test_split_as_published_cuts_at_every_stop():
    assert split_paper(" A 1.5 cm Nodule.. NO effusion. ") == ["a 1", "5 cm nodule", "no effusion"]
    assert split_paper(" . ") == []


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("  No   pleural\neffusion.. ", "no pleural effusion"),
        ("2. No effusion", "no effusion"),
        ("- (3) No effusion;", "no effusion"),
        ("1.5 cm nodule.", "1.5 cm nodule"),
        ("XXXX.", "xxxx"),
        ("...", ""),
        (" \x1f", ""),
    ],
)
def test_normalize(sentence, expected):
    assert normalize_sentence(sentence) == expected


@pytest.mark.parametrize(
    ("sentences", "expected"),
    [
        (["no effusion", "Clear lungs.."], "No effusion. Clear lungs."),
        (["pH of 7", "stable?", "really!"], "pH of 7. Stable? Really!"),
        (["", " . ", "a\nb"], "A b."),
        ([], ""),
    ],
)
def test_join(sentences, expected):
    assert join_sentences(sentences) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Clear lungs.", "Clear lungs. No effusion."),
        ("Clear lungs \n", "Clear lungs. No effusion."),
        ("clear LUNGS..", "clear LUNGS.. No effusion."),
        ("Clear lungs;", "Clear lungs. No effusion."),
        ("Nodule?", "Nodule? No effusion."),
        ("", "No effusion."),
    ],
)
def test_append(text, expected):
    assert append_sentences(text, ["no effusion"]) == expected


def test_append_nothing_keeps_every_character():
    assert append_sentences(" Clear  lungs \n", ["", " . "]) == " Clear  lungs \n"


_WORDS = "Heart heart Lungs clear. normal.. No no XXXX XXXX. apex.There apex.there of of. why? ß"
_MARKS = "1. 2. 3) (4) - • 1.5 2 cm Dr. vs. approx. e.g. p.m. T.B. segment ? , ; : . .."
words = st.sampled_from([*_WORDS.split(), *_MARKS.split(), "", "\n", "\n\n", "\r\n", "\t"])
texts = st.one_of(
    st.text(max_size=80),
    st.lists(words, max_size=25).map(" ".join),
    st.lists(words, max_size=25).map("".join),
)


@given(texts)
def test_spans_are_sentences_of_the_text_itself(text):
    spans = sentence_spans(text)
    ends = [0, *(end for _, end in spans)]
    for (start, end), previous in zip(spans, ends, strict=False):
        assert previous <= start < end <= len(text)
        piece = text[start:end]
        assert piece == piece.strip()
        assert any(map(str.isalnum, piece))
    assert split_sentences(text) == [text[start:end] for start, end in spans]


@given(texts)
def test_every_letter_lies_in_a_sentence(text):
    covered = set()
    for start, end in sentence_spans(text):
        covered.update(range(start, end))
    assert [c for i, c in enumerate(text) if c.isalpha() and i not in covered] == []


@given(texts)
def test_normalize_is_idempotent(sentence):
    once = normalize_sentence(sentence)
    assert normalize_sentence(once) == once


# "No." at an end may be an abbreviation, so no sentence ends in it.
plain = st.lists(
    st.sampled_from("heart lungs clear no effusion XXXX 1.5 cm, pH (old) left-sided".split()),
    max_size=8,
).map(lambda found: " ".join([*found, "seen"]))


@given(st.lists(plain, max_size=6))
def test_joined_sentences_split_again(sentences):
    again = split_sentences(join_sentences(sentences))
    assert list(map(normalize_sentence, again)) == list(map(normalize_sentence, sentences))


def letters(sentences):
    return "".join(filter(str.isalpha, "".join(sentences).casefold()))


@given(texts)
def test_a_report_written_anew_holds_the_same_letters(text):
    sentences = split_sentences(text)
    assert letters(split_sentences(join_sentences(sentences))) == letters(sentences)


@given(texts, st.lists(plain, max_size=3))
def test_append_keeps_the_report_in_front(text, sentences):
    appended = append_sentences(text, sentences)
    assert appended.startswith(text.rstrip().rstrip(",;:"))
    assert sentences or appended == text


# Plain text: what readers are given


@given(st.text() | st.text("ab .-\n<br/>\\\u2026\u00ad\u200b\ufb03\uff1c"))
def test_plain_text_is_idempotent(sentence):
    once = plain_text(sentence)
    assert plain_text(once) == once


@given(st.text(string.ascii_letters + " .,;:-()'", max_size=80))
def test_plain_text_keeps_ascii_words(sentence):
    letters = [c for c in plain_text(sentence) if c.isalnum()]
    assert letters == [c for c in sentence if c.isalnum()]


LINE_ENDS = [
    "\n", "\r\n", "\r", "\x0b", "\x0c", "\x85", "\u2028", "\u2029",
    "<br>", "<br/>", "<BR />", "\\n", "\\r\\n",
]  # fmt: skip


@pytest.mark.parametrize("end", LINE_ENDS)
def test_a_line_end_is_a_space(end):
    assert plain_text(f"no{end}effusion is{end}seen") == "no effusion is seen"


@pytest.mark.parametrize("end", LINE_ENDS)
def test_a_line_end_ends_a_sentence(end):
    report = f"Lungs clear{end}No effusion{end}{end}Heart normal."
    assert split_sentences(report) == ["Lungs clear", "No effusion", "Heart normal."]


@pytest.mark.parametrize(
    ("written", "plain"),
    [
        ("pleu\u00adral effu\u00adsion", "pleural effusion"),  # soft hyphens
        ("e\ufb00usion and \ufb01brosis", "effusion and fibrosis"),  # ligatures
        ("pneumo\u200bthorax\u200d\ufeff", "pneumothorax"),  # of no width
        ("pneumo-\nthorax", "pneumothorax"),  # broken over a line end
        ("pneumo-  \r\n  thorax", "pneumothorax"),
        ("\uff43\uff4c\uff45\uff41\uff52", "clear"),  # full width
        ("œdème", "œdeme"),  # accents
        ("No\u00a0effusion", "No effusion"),  # a space that does not break
        ("no\teffusion", "no effusion"),
        ("clear\x00 lungs\x07", "clear lungs"),
        ("apexSmall effusion", "apex ¦ Small effusion"),  # a stop that may be missing
        ("no\u2026 effusion", "no: effusion"),  # three dots in one character
        ("no.\u200b.. effusion", "no: effusion"),  # and with what nobody sees between them
        ("no<b\u00adr>effusion", "no effusion"),
        ("lungs clear No effusion.", "lungs clear No effusion."),
        ("No effusion.", "No effusion."),
        ("", ""),
    ],
)
def test_plain_text_by_hand(written, plain):
    assert plain_text(written) == plain


@pytest.mark.parametrize(
    "written",
    [
        "No pleu\u00adral effusion.",
        "No pleural e\ufb00usion.",
        "No pleural\u200b effu\u200bsion.",
        "No pleural effu-\nsion.",
        "No<br>pleural effusion.",
        "No pleural\u2028effusion.",
    ],
)
def test_readers_see_the_plain_text(written):
    reader = Reader()
    assert reader.read(written).assertions == reader.read("No pleural effusion.").assertions
    assert reader.read(written).sign == "normal"
    stated = written.replace("No ", "Small ").replace("No<br>", "Small<br>")
    assert reader.read(stated).sign == "abnormal"


def fastest(function, *arguments):
    times = []
    for _ in range(3):
        start = time.process_time()
        function(*arguments)
        times.append(time.process_time() - start)
    return min(times)


@pytest.mark.parametrize("function", [plain_text, split_sentences, normalize_sentence])
@pytest.mark.parametrize(
    "piece",
    [
        " ",
        "stable ",
        "\n",
        ". ",
        "<br>",
        "\\n",
        "a-\n",
        "1. ",
        "aaaaaB",
        "é",
        "...",
        "\u0301\u0327",
    ],
)
def test_long_texts_take_time_in_proportion(function, piece):
    function(piece * 100)
    short, long = (fastest(function, "Lungs" + piece * n + "x") for n in (7_000, 28_000))
    # Four times the text: about four times the time, sixteen if every place looked at all others.
    assert long < 10 * short + 0.02


def test_a_long_line_is_split_at_once():
    assert fastest(split_sentences, "Lungs" + " " * 20_000 + "clear.") < 1
    assert fastest(split_sentences, "stable " * 7_000) < 1
