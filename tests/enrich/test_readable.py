"""What is not understood is no silence: reports to which nothing at all is added."""

import random
from collections import Counter

import pytest
from fakes import build_index, made_up_reports

from semenrich_datasets import SemEnricher
from semenrich_datasets.columns import StudyTexts
from semenrich_datasets.enrich.facts import ReportFacts
from semenrich_datasets.enrich.readable import report_fault
from semenrich_datasets.reading import Reader
from semenrich_datasets.sentences import split_sentences

READER = Reader()
CHEST = "The lungs are clear. Heart size normal."


@pytest.fixture(scope="module")
def enricher():
    return SemEnricher(build_index(), min_score=0.0)


def fault_of(text, context="", exam=""):
    findings, others = (
        [READER.read(sentence) for sentence in split_sentences(part)] for part in (text, context)
    )
    return report_fault(findings, others, READER.read(exam), READER.lexicon)


def added(enricher, text, context=None, exam=""):
    study = StudyTexts(text, {"impression": context} if context else {}, {}, exam)
    report = enricher.read_report(study)
    return [] if report is None else [a.sentence for a in enricher.selection(report)]


def test_a_chest_report_has_no_fault(enricher):
    assert fault_of(CHEST) is None
    assert fault_of(CHEST, "Small effusion.", "Chest radiograph") is None
    assert added(enricher, CHEST)


@pytest.mark.parametrize(
    "text",
    [
        "N/A",
        "___ ___ .",
        "XXXX XXXX.",
        "See impression.",
        "Pending.",
        "Dictated.",
        "As above.",
        "Normal.",
        "xxx",
        "Unchanged.",
    ],
)
def test_placeholders_get_nothing(enricher, text):
    assert fault_of(text) is not None
    assert added(enricher, text) == []


@pytest.mark.parametrize(
    "text",
    [
        "sin hallazgos patologicos",
        "Cardiomegalia. Derrame pleural izquierdo.",
        "Herz und Lunge unauffällig. Kein Pleuraerguss.",
        "Les poumons sont clairs. Pas d'épanchement pleural.",
        "Polmoni normali. Non versamento pleurico.",
        "心脏大小正常。",
        "Сердце не увеличено. Лёгкие чистые.",
    ],
)
def test_other_languages_get_nothing(enricher, text):
    assert fault_of(text) == "other_language"
    assert added(enricher, text) == []


def test_few_unknown_words_are_no_other_language(enricher):
    assert fault_of("The lungs are zorbed. Heart size normal. No pleural effusion.") is None


@pytest.mark.parametrize(
    "text",
    [
        "Normal alignment of the lumbar spine. No disc herniation.",
        "The ankle is normal. No fracture.",
        "No acute fracture of the wrist.",
        "Liver and spleen are normal. No free air.",
        "The brain is normal. No hemorrhage.",
        "Degenerative changes of the knee.",
        "No acute bony abnormality.",
    ],
)
def test_other_body_parts_get_nothing(enricher, text):
    assert fault_of(text) in ("other_kind", "unread", "other_language")
    assert added(enricher, text) == []


@pytest.mark.parametrize("exam", ["MRI lumbar spine", "CT abdomen", "Ankle 3 views"])
def test_the_exam_tells_another_kind(enricher, exam):
    assert fault_of(CHEST, exam=exam) == "other_kind"
    assert added(enricher, CHEST, exam=exam) == []
    assert added(enricher, CHEST, exam="Chest 2 views")


@pytest.mark.parametrize(
    ("text", "context"),
    [
        (f"{CHEST} Addendum: there is a right apical pneumothorax.", ""),
        (f"ADDENDUM: Small effusion. {CHEST}", ""),
        (f"{CHEST} After further review, there is a nodule.", ""),
        (CHEST, "ADDENDUM: small left effusion."),
        (CHEST, "Amended report."),
    ],
)
def test_a_report_that_was_changed_gets_nothing(enricher, text, context):
    assert fault_of(text, context) == "superseded"
    assert added(enricher, text, context) == []


@pytest.mark.parametrize(
    "text",
    [
        f"Chest:\n{CHEST}\nAbdomen:\nNo free air.",
        f"{CHEST}\nLumbar spine:\nNormal alignment.",
        f"CHEST\n{CHEST}\nABDOMEN\nThe liver is normal.",
        f"{CHEST} Abdomen: The liver is normal. The spleen is normal. The kidneys are normal.",
    ],
)
def test_what_goes_on_elsewhere_gets_nothing(enricher, text):
    """What is added stands last: under the heading of another region it would be said of that."""
    assert fault_of(text) in ("superseded", "other_kind")
    assert added(enricher, text) == []


# A corpus of two kinds of studies

SPINE = [
    ["Normal alignment.", "Alignment is normal."],
    ["Vertebral body heights are maintained.", "Normal vertebral body heights."],
    ["No compression fracture.", "There is no compression fracture."],
    ["Disc spaces are preserved.", "Normal disc spaces."],
    ["Mild scoliosis.", "Degenerative changes of the lumbar spine."],
]


def spine_reports(number, seed):
    rng = random.Random(seed)
    for _ in range(number):
        said = [rng.choice(wordings) for wordings in SPINE if rng.random() < 0.7]
        yield " ".join(said or SPINE[0][:1])


def test_no_chest_statement_reaches_a_spine_and_none_of_a_spine_a_chest():
    chests = [row["findings"] for row in made_up_reports(300)]
    index = build_index([*chests, *spine_reports(200, seed=0)])
    enricher = SemEnricher(index, min_score=0.0)
    spines = list(spine_reports(100, seed=1))
    of_spines = Counter(s for text in spines for s in added(enricher, text))
    # A report of a sentence or two tells its kind to nobody.
    long = [text for text in chests if len(split_sentences(text)) >= 4]
    of_chests = Counter(s for text in long for s in added(enricher, text))
    words = ("lung", "heart", "effusion", "pneumothorax", "mediastinum", "bony")
    assert not [s for s in of_spines if any(word in s.lower() for word in words)]
    told = ("alignment", "vertebra", "disc ", "compression")
    assert not [s for s in of_chests if any(word in s.lower() for word in told)]
    assert of_chests.total() > 100


# However badly a report is written, nothing is added that its clean text contradicts


def _misspell(text):
    wrong = {"effusion": "effsuion", "pneumothorax": "pneumothroax", "enlarged": "enlaregd"}
    wrong |= {"consolidation": "consoldation", "fracture": "fractrue", "widened": "widend"}
    for word, misspelt in wrong.items():
        text = text.replace(word, misspelt)
    return text


def _break(text):
    """Breaks each long word over a line end."""
    words = text.split(" ")
    return " ".join(f"{w[:4]}-\n{w[4:]}" if len(w.strip(".")) > 7 else w for w in words)


FUZZ = {
    "as it is": str,
    "capitals": str.upper,
    "small letters": str.lower,
    "no stops": lambda text: text.replace(".", ""),
    "commas": lambda text: text.replace(".", ","),
    "semicolons": lambda text: text.replace(".", ";"),
    "glued": lambda text: text.replace(". ", "."),
    "glued without stops": lambda text: text.replace(". ", ""),
    "spaces": lambda text: text.replace(" ", "   "),
    "lines": lambda text: text.replace(". ", "\n"),
    "wrapped": lambda text: text.replace(" ", "\n", 3),
    "br": lambda text: text.replace(". ", "<br>"),
    "spelled line ends": lambda text: text.replace(". ", "\\n"),
    "list": lambda text: "\n".join(f"{i}. {s}" for i, s in enumerate(split_sentences(text), 1)),
    "soft hyphens": lambda text: text.replace("e", "e\u00ad"),
    "zero width": lambda text: text.replace("o", "o\u200b"),
    "ligatures": lambda text: text.replace("ff", "\ufb00").replace("fi", "\ufb01"),
    "full width": lambda text: "".join(chr(ord(c) + 0xFEE0) if c.isalpha() else c for c in text),
    "broken words": _break,
    "misspelt": _misspell,
    "dots": lambda text: text.replace(". ", "... "),
    "markup": lambda text: "".join(f"<p>{s}</p>" for s in split_sentences(text)),
}


@pytest.mark.parametrize("kind", FUZZ)
def test_nothing_added_to_a_spoilt_report_contradicts_the_clean_one(enricher, kind):
    reports = [row["findings"] for row in made_up_reports(250, seed=3)]
    wrong = []
    for text in reports:
        facts = ReportFacts.read(READER, split_sentences(text))
        wrong += [
            (text, sentence)
            for sentence in added(enricher, FUZZ[kind](text))
            if facts.check(READER.read(sentence)) == "contradicts"
        ]
    assert wrong == []


def test_spoilt_reports_state_something():
    """The test above would pass on healthy reports alone."""
    reports = [row["findings"] for row in made_up_reports(250, seed=3)]
    signs = Counter(READER.read(s).sign for text in reports for s in split_sentences(text))
    assert signs["abnormal"] > 30
