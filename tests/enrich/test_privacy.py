"""What may travel from one patient's report into another's: statements in known words, no more."""

from __future__ import annotations

import re

import pytest
from fakes import build_index, made_up_reports
from hypothesis import given, settings
from hypothesis import strategies as st

from semenrich_datasets import Reader, SemEnricher
from semenrich_datasets.columns import StudyTexts, find_columns, iterate_studies
from semenrich_datasets.enrich.facts import refusal
from semenrich_datasets.enrich.reasons import Reason
from semenrich_datasets.index.card import index_card
from semenrich_datasets.index.counting import count_sentences
from semenrich_datasets.index.holders import count_holders
from semenrich_datasets.reading.lexicon_entries import tokenize
from semenrich_datasets.reading.plain_words import could_name, rebuild

READER = Reader()
LEXICON = READER.lexicon

# Words that a person's name and the lexicon share: a name stands beside what is said.
SURNAMES = (
    "Small Field May Frank Sharp Clear Large Wells Gross Major Good Low Still Will Day".split()
)
NAMES = [
    form.format(name)
    for name in SURNAMES
    for form in ("No pleural effusion, {}.", "{}, no pleural effusion.", "No pleural effusion {}.")
]
PER = [f"No pleural effusion per {name}." for name in ("May", "Field", "Dr Small", "Stone")]
# Each lets one patient be recognized, or might.
PLANTED = {
    "Chinese": "No pleural effusion, 张伟.",
    "Cyrillic": "No pleural effusion, Иванов.",
    "Arabic": "No pleural effusion, محمد.",
    "Hebrew": "No pleural effusion, כהן.",
    "Greek": "No pleural effusion, Παπαδόπουλος.",
    "Korean": "No pleural effusion, 김민수.",
    "Thai": "No pleural effusion, สมชาย.",
    "Devanagari": "No pleural effusion, राम.",
    "accented": "No pleural effusion, Müller.",
    "Latin": "No pleural effusion, Kowalski.",
    "two names": "Anna Kowalski has no pleural effusion.",
    "lower case": "no pleural effusion, kowalski.",
    "near a word": "No pleural effusion, Hart.",
    "letters like Latin ones": "No plеural effusion.",
    "full width": "No pleural effusion, Ｓｍａｌｌ.",
    "initials": "No pleural effusion, J. S.",
    "initials without dots": "No pleural effusion J S.",
    "spelled": "No pleural effusion, S m i t h.",
    "spelled with hyphens": "No pleural effusion, S-m-a-l-l.",
    "article's letter": "No pleural effusion a.",
    "apostrophe": "Small's pleural spaces are clear.",
    "e-mail": "No pleural effusion, j@k.l",
    "phone": "No pleural effusion, call 555-0123.",
    "phone in words": "No pleural effusion, call five five five.",
    "URL": "No pleural effusion http://a.b/c.",
    "bare address": "No pleural effusion www.field.org",
    "MRN": "No pleural effusion MRN 12345.",
    "number": "No pleural effusion 7.",
    "Arabic digits": "No pleural effusion ٧٨.",
    "roman": "No pleural effusion, room IV.",
    "date": "No pleural effusion on 3/4/2020.",
    "date in words": "No pleural effusion on the third of May.",
    "month": "No pleural effusion in March.",
    "age": "No pleural effusion at age ninety.",
    "room": "No pleural effusion, room seven.",
    "place": "No pleural effusion, Springfield.",
    "hospital": "No pleural effusion, Field Hospital.",
    "signature": "No pleural effusion, Dr Frank Small.",
    "dictated by": "No pleural effusion as dictated by May.",
    "signature's degree": "No pleural effusion, Small MD.",
    "label": "Small: no pleural effusion.",
    "brackets": "No pleural effusion (Small).",
    "blank": "No pleural effusion, [**].",
    "named blank": "No pleural effusion, [**Known lastname**].",
    "underscores": "No pleural effusion, ___.",
    "NAME": "No pleural effusion, [NAME].",
    "tag": "No pleural effusion, <name>.",
    "hashes": "No pleural effusion, ####.",
    "X": "No pleural effusion, XXXX.",
    "stars": "No pleural effusion, ***.",
    "dashes": "No pleural effusion, -----.",
    "mustache": "No pleural effusion, {{patient}}.",
    "redacted": "No pleural effusion, REDACTED.",
    "bold": "No <b>pleural</b> effusion.",
    "link": "No [pleural effusion](x).",
    "script": "No pleural effusion <script>x</script>.",
    "zero width": "No pleural\u200b effusion.",
    "soft hyphen": "No pleural effu\u00adsion.",
    "right to left": "No pleural \u202eeffusion.",
    "control": "No pleural \x07effusion.",
    "accent": "No pléural effusion.",
    "emoji": "No pleural effusion 🙂.",
    "quote": 'No "pleural" effusion.',
    "stone": "No pleural effusion, Stone.",
    "stone alone": "Stone.",
    **{text: text for text in [*NAMES, *PER]},
}
CORPUS = made_up_reports(80)
FILLERS = ["No fracture.", "The trachea is midline.", "The hila are normal.", "No free air."]


def planted_rows(copies):
    """A patient's report with every planted sentence, in copies that differ by a sentence or two.

    One sentence a patient: each stands in near-copies of one report.
    """
    rows = []
    for patient, text in enumerate(PLANTED.values()):
        for copy in range(copies):
            own = [row["findings"] for row in CORPUS[patient % 40 : patient % 40 + 1]]
            body = " ".join([*own, text, FILLERS[copy % 4], "No nodule." if copy > 3 else ""])
            rows.append({"findings": body, "impression": "", "patient_id": f"planted {patient}"})
    return rows


@pytest.fixture(scope="module", params=[(1, True), (3, True), (5, True), (3, False), (5, False)])
def corpus(request):
    copies, named = request.param
    rows = [row | {"patient_id": f"p{n}"} for n, row in enumerate(CORPUS)] + planted_rows(copies)
    return rows if named else [{k: row[k] for k in ("findings", "impression")} for row in rows]


@pytest.fixture(scope="module")
def indexes(corpus):
    return {preset: build_index(corpus, preset=preset) for preset in ("safe", "paper")}


def keys_of(text):
    return " ".join(re.findall(r"\w+|[^\w\s.,]", text.lower()))


@pytest.mark.parametrize("resample", [False, True])
@pytest.mark.parametrize("preset", ["safe", "paper", "random"])
def test_nothing_planted_travels(indexes, preset, resample):
    index = indexes["safe" if preset == "safe" else "paper"]
    planted = {keys_of(text) for text in PLANTED.values()}
    texts = [row["findings"] for row in CORPUS[:60]]
    added = 0
    for variant in range(2):
        enricher = SemEnricher(index, preset=preset, variant=variant, resample=resample)
        rows = enricher({"findings": texts})
        for addition in (one for row in rows["added_findings"] for one in row):
            added += 1
            assert keys_of(addition["sentence"]) not in planted
            assert re.fullmatch(r"[A-Z][A-Za-z ,/-]*\.", addition["sentence"])
            assert rebuild(addition["sentence"], LEXICON) == addition["sentence"]
        for text, enriched in zip(texts, rows["enriched_findings"], strict=True):
            new = {keys_of(one) for one in index.split(enriched)}
            assert not (new - {keys_of(one) for one in index.split(text)}) & planted
    assert added >= (5 if preset == "random" else 40)


def test_no_planted_sentence_may_travel_or_be_shown(indexes):
    planted = {keys_of(text) for text in PLANTED.values()}
    for index in indexes.values():
        for row in index.sentences.to_pylist():
            if keys_of(row["sentence"]) in planted:
                assert row["rebuilt"] == "", row
        card = index_card(index.config, index.sentences, index.unit_table)
        shown = re.findall(r"^\| (.*?) \| (?:normal|abnormal|neutral) \|", card, re.MULTILINE)
        assert len(shown) >= 5
        assert not {keys_of(text) for text in shown} & planted


@pytest.mark.parametrize("text", PLANTED.values(), ids=PLANTED)
def test_a_planted_sentence_is_refused_by_its_words(text):
    # However many patients hold it: a blank or a signature can stand in many reports.
    assert rebuild(text, LEXICON) is None or could_name(text, LEXICON)
    assert not READER.read(text).is_transferable
    assert refusal(text, "Mild scoliosis.", support=100) is not None


@pytest.mark.parametrize("name", SURNAMES)
def test_a_name_without_its_capital_is_refused_too(name):
    for text in (f"no pleural effusion, {name.lower()}", f"NO PLEURAL EFFUSION {name.upper()}."):
        assert rebuild(text, LEXICON) is None
        assert refusal(text, "Mild scoliosis.") is not None


@pytest.mark.parametrize(
    "text",
    [
        "No pleural effusion.",
        "There is no pleural effusion or pneumothorax.",
        "No focal consolidation, pleural effusion, or pneumothorax is seen.",
        "The heart is normal in size and contour.",
        "Cardiac and mediastinal contours are within normal limits.",
        "Lungs are clear without focal consolidation.",
        "The lungs are clear bilaterally.",
        "No acute bony or soft tissue abnormality.",
        "The lungs are grossly clear.",
        "Visualized osseous structures appear intact.",
        "Clear lungs.",
    ],
)
def test_ordinary_denials_still_travel(text):
    assert rebuild(text, LEXICON) == text
    assert rebuild(text.upper(), LEXICON) == text
    assert READER.read(text).is_transferable
    assert refusal(text, "", support=3) is None


def test_the_spelling_is_rebuilt():
    assert rebuild("  nO  PLEURAL\teffusion ,pneumothorax!!", LEXICON) is None
    assert rebuild("nO  PLEURAL\teffusion, or  pneumothorax..", LEXICON) == (
        "No pleural effusion, or pneumothorax."
    )
    assert rebuild("no chf", LEXICON) == "No CHF."
    assert not could_name("No CHF.", LEXICON)


def with_sentence(numbers, sentence="No mediastinal widening.", **columns):
    rows = [dict(row) for row in CORPUS]
    for place, number in enumerate(numbers):
        rows[number]["findings"] += f" {sentence}"
        rows[number].update({name: values[place] for name, values in columns.items()})
    return rows


def holders_of(rows, patient_column=None):
    """Holders of "no mediastinal widening", as a build counts them."""
    columns, studies = iterate_studies(rows, patient_column=patient_column)
    counts = count_sentences(studies, by_patient=columns.patient_id is not None)
    held = dict(zip(counts.sentences, count_holders(counts, LEXICON).tolist(), strict=True))
    return held["no mediastinal widening"]


def test_support_counts_patients():
    numbers = [10, 20, 30, 40]
    rows = with_sentence(numbers)
    for number, row in enumerate(rows):
        row["person"] = f"p{number}"
        row["patient_id"] = "one and the same"
    assert holders_of(rows, "person") == 4
    assert holders_of(rows) == 1
    for number in numbers[1:]:
        rows[number]["person"] = "p10"
    assert holders_of(rows, "person") == 1
    with pytest.raises(ValueError, match=r"'persn' not found.* patient_column="):
        build_index(rows, patient_column="persn")
    with pytest.raises(ValueError, match="found texts alone"):
        build_index(["No effusion."], patient_column="person")


@pytest.mark.parametrize(
    "ids",
    [
        ["P1", "p1", " P1 "],
        ["SmithJohn", "smithjohn", "SMITHJOHN"],
        ["007", "7", "07"],
        ["１２", "12", "12\u200b"],
        ["p 1", "P\t1", "P1"],
        ["nan", "None", "N/A"],
        ["unknown", "Unknown", "-"],
    ],
)
def test_one_patient_spelled_in_several_ways_is_one(ids):
    ends = ["No nodule.", "No mass.", "No edema."]
    body = "The lungs are clear. The heart size is normal. No free air. No mediastinal widening."
    rows = [
        {"findings": f"{body} {end}", "patient_id": one} for end, one in zip(ends, ids, strict=True)
    ]
    others = [row | {"patient_id": f"c{n}"} for n, row in enumerate(CORPUS)]
    assert holders_of([*others, *rows]) == 1


def test_a_build_takes_the_column_of_patients():
    rows = [{"findings": f"No effusion. {text}", "person": "p"} for text in FILLERS]
    index = build_index(rows, patient_column="person")
    assert index.config.patient_column == "person"
    first = index.sentences.to_pylist()[0]
    assert (first["reports"], first["holders"], first["rebuilt"]) == (4, 1, "")
    assert build_index([row | {"person": n} for n, row in enumerate(rows)], patient_column="person")


def test_copies_of_a_report_are_one():
    body = "The lungs are clear. No pleural effusion. The heart size is normal. No free air."
    other = "Lungs clear. No pneumothorax. Normal heart size. No fracture."
    ends = ["No nodule.", "No mass.", "No edema.", "No granuloma.", "No scar."]
    sentence = "No mediastinal widening."
    copies = [{"findings": f"{body} {end} {sentence}"} for end in ends]
    assert holders_of([*CORPUS, *copies]) == 1
    more = [{"findings": f"{other} {sentence}"}, {"findings": f"The hila are normal. {sentence}"}]
    rows = [*CORPUS, *copies, *more]
    assert holders_of(rows) == holders_of(rows[::-1]) == 3


def test_a_report_with_the_capital_of_a_name_does_not_count():
    rows = with_sentence([10, 20])
    rows += [{"findings": f"{row['findings']} No mediastinal Widening."} for row in CORPUS[50:53]]
    for number, row in enumerate(rows):
        row["patient_id"] = str(number)
    assert holders_of(rows) == 2


def test_the_floor_is_off_by_one_argument_alone(indexes):
    index = indexes["paper"]
    texts = [row["findings"] for row in CORPUS]
    free = SemEnricher(index, preset="paper", privacy_floor=False)
    added = {one["sentence"] for row in free({"findings": texts})["added_findings"] for one in row}
    assert any(rebuild(text, LEXICON) is None for text in added)
    assert SemEnricher.from_dict(free.to_dict(), index).to_dict()["privacy_floor"] is False
    with pytest.raises(ValueError, match="privacy_floor=False with preset 'paper' or 'random'"):
        SemEnricher(indexes["safe"], privacy_floor=False)


def test_what_the_floor_refuses_has_its_reason(indexes):
    enricher = SemEnricher(indexes["paper"], preset="random")
    reasons = set()
    for row in CORPUS:
        study = enricher.read_report(StudyTexts(row["findings"]))
        reasons.update(reason for _, reason in enricher.selection.refusals(study))
    assert reasons <= {Reason.IDENTIFYING, Reason.UNSUPPORTED}


WORDS = st.sampled_from(
    [*sorted({word for phrase in LEXICON.meanings for word in phrase}), "No", "is", "Qx", "é", "7"]
)
STATEMENTS = st.sampled_from(["No pleural effusion", ", ", "the heart is normal"])
FRAGMENTS = WORDS | STATEMENTS | st.text(max_size=4)


@settings(max_examples=400)
@given(st.lists(FRAGMENTS, max_size=7).map(" ".join))
def test_what_travels_consists_of_words_of_the_lexicon_only(text):
    rebuilt = rebuild(text, LEXICON)
    if rebuilt is None:
        return
    assert re.fullmatch(r"[A-Z][A-Za-z ,/-]*\.", rebuilt)
    assert set(tokenize(rebuilt.rstrip("."))) <= LEXICON.vocabulary | {"non"}
    assert LEXICON.naming_tokens.isdisjoint(tokenize(rebuilt))
    assert rebuild(rebuilt, LEXICON) == rebuilt


@pytest.mark.parametrize(
    "sentence",
    [
        "NO FIELD EFFUSION",
        "No still effusion.",
        "no case effusion",
        "THE LUNGS ARE WELL CLEAR",
        "Early lungs clear.",
        "No will pneumothorax.",
    ],
)
def test_a_filler_that_could_be_a_surname_stays(sentence):
    assert rebuild(sentence, LEXICON) is None


@pytest.mark.parametrize("name", ["pid", "EMPI_ID", "empi_anon", "PatientName", "patient_key"])
def test_more_names_of_the_column_of_patients(name):
    assert find_columns(["findings", name]).patient_id == name
