"""An index whose digests were made anew after an edit: refused when it is loaded."""

import json
import struct
from contextlib import suppress

import numpy as np
import pyarrow as pa
import pytest
from fakes import FakeEncoder, build_index
from tampering import (
    cast,
    copy_index,
    data_file,
    edit_bytes,
    edit_config,
    edit_json,
    edit_table,
    put,
    read_table,
    repeat,
    replace_data,
    table_bytes,
    take,
    with_column,
)

from semenrich_datasets import FindingsIndex
from semenrich_datasets.index.candidate_checks import check_readings
from semenrich_datasets.index.files import IndexFileError

NAN, INF = float("nan"), float("inf")


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved") / "index"
    build_index().save_pretrained(folder)
    return folder


def refuses(folder, match="damaged"):
    with pytest.raises(IndexFileError, match=match) as caught:
        FindingsIndex.from_pretrained(folder, encoder=FakeEncoder())
    # One sentence that names the file, and the way out.
    assert str(folder) in str(caught.value)
    assert "anew" in str(caught.value)


def row_of(folder, stem, column, value):
    return read_table(folder, stem).column(column).to_pylist().index(value)


SCHEMAS = {
    "a column is missing": lambda table: table.drop_columns([table.column_names[-1]]),
    "a column is added": lambda table: table.append_column("more", pa.nulls(table.num_rows)),
    "columns change places": lambda table: table.select(table.column_names[::-1]),
    "a column has another name": lambda table: table.rename_columns(
        ["other", *table.column_names[1:]]
    ),
    "no columns": lambda table: table.select([]),
}


@pytest.mark.parametrize("stem", ["sentences", "units", "cooccurrence", "candidates", "agreement"])
@pytest.mark.parametrize("kind", SCHEMAS)
def test_other_columns(saved, tmp_path, stem, kind):
    folder = copy_index(saved, tmp_path / "index")
    edit_table(folder, stem, SCHEMAS[kind])
    refuses(folder, rf"{stem}-\w+.parquet is damaged: expected the columns")


@pytest.mark.parametrize(
    ("stem", "name", "kind"),
    [
        ("sentences", "reports", pa.int32()),
        ("sentences", "centrality", pa.float64()),
        ("sentences", "transferable", pa.int8()),
        ("sentences", "sentence", pa.large_string()),
        ("sentences", "sentence", pa.binary()),
        ("sentences", "sign", pa.dictionary(pa.int32(), pa.string())),
        ("units", "support", pa.float64()),
        ("units", "position", pa.float32()),
        ("cooccurrence", "reports", pa.uint64()),
        ("candidates", "together", pa.large_list(pa.int64())),
        ("agreement", "speaks", pa.string()),
        ("topics", "intercepts", pa.list_(pa.float64())),
        ("silence", "weights", pa.list_(pa.float64())),
    ],
)
def test_another_type(saved, tmp_path, stem, name, kind):
    folder = copy_index(saved, tmp_path / "index")
    edit_table(folder, stem, cast(name, kind))
    refuses(folder, rf"{stem}-\w+.parquet is damaged: expected the columns")


# Stem, edit, what the error says.
def partners(numbers, reports=3):
    """Says with whom the first candidate is made, by so many reports each."""
    first, second = (
        put("together", 0, numbers),
        put("together_reports", 0, [reports] * len(numbers)),
    )
    return lambda table: second(first(table))


VALUES = {
    "a missing sentence": ("sentences", put("sentence", 3, None), "a value in each row"),
    "a missing flag": ("sentences", put("transferable", 3, None), "a value in each row"),
    "a missing list": ("candidates", put("together", 0, None), "a value in each row"),
    "a list without a number": ("silence", put("weights", 0, [None] * 36), "a value in each row"),
    "no sentences": ("sentences", take(), "expected a sentence, found none"),
    "a sentence less": ("sentences", take(*range(26)), "sentences of units|a sentence of each"),
    "a sentence more": ("sentences", repeat(26), "each sentence once"),
    "an empty sentence": ("sentences", put("sentence", 2, ""), "found an empty one"),
    "an empty text": ("sentences", put("text", 2, ""), "found an empty one"),
    "negative reports": ("sentences", put("reports", 2, -1), "reports of sentences from 1"),
    "reports of no one": ("sentences", put("reports", 2, 0), "reports of sentences from 1"),
    "reports without end": ("sentences", put("reports", 2, 2**62), "reports of sentences"),
    "more reports than occurrences": (
        "sentences",
        put("reports", 26, 150),
        "what other columns allow",
    ),
    "negative occurrences": ("sentences", put("occurrences", 2, -5), "occurrences of sentences"),
    "a cluster below noise": ("sentences", put("cluster_id", 2, -2), "cluster_id from -1"),
    "a cluster beyond all": ("sentences", put("cluster_id", 2, 10**9), "cluster_id from -1"),
    "a unit below noise": ("sentences", put("unit_id", 2, -2), "unit_id from -1"),
    "a unit beyond all": ("sentences", put("unit_id", 2, 14), "unit_id from -1"),
    "a sentence without a unit": ("sentences", put("unit_id", 26, -1), "expected a unit for each"),
    "units out of order": ("sentences", put("unit_id", 0, 1), "numbered by the first sentence"),
    "an unknown sign": ("sentences", put("sign", 2, "good"), "signs of sentences among"),
    "centrality beyond 1": ("sentences", put("centrality", 2, 7.0), "centrality of sentences"),
    "centrality that is none": ("sentences", put("centrality", 2, NAN), "centrality of sentences"),
    "a unit less": ("units", take(*range(13)), "unit_id from -1"),
    "a unit twice": ("units", repeat(3), "unit_id"),
    "units that change places": ("units", take(1, 0, *range(2, 14)), "unit_id of units"),
    "no units": ("units", take(), "unit_id from -1"),
    "another number of sentences": ("units", put("sentences", 2, 9), "sentences of units"),
    "another number of occurrences": ("units", put("occurrences", 2, 9), "occurrences of units"),
    "another text": ("units", put("text", 2, "All is well."), "text of each unit"),
    "a content twice": ("units", put("content", 2, "normal heart"), "content|says"),
    "an unknown sign of a unit": ("units", put("sign", 2, ""), "signs of units among"),
    "a share beyond 1": ("units", put("sign_share", 2, 1.5), "sign_share of units"),
    "a share that is none": ("units", put("sign_share", 2, NAN), "sign_share of units"),
    "no support": ("units", put("support", 2, 0), "support of units"),
    "support without end": ("units", put("support", 2, 2**60), "support of units"),
    "support below a sentence's": ("units", put("support", 0, 1), "what other columns allow"),
    "a place outside": ("units", put("position", 2, -0.1), "position of units"),
    "a place that is none": ("units", put("position", 2, INF), "position of units"),
    "a point at no place": ("units", put("x", 2, NAN), "x of units"),
    "a pair with itself": ("cooccurrence", put("other_id", 0, 0), "pairs of two units"),
    "a pair beyond all": ("cooccurrence", put("other_id", 0, 14), "other_id of pairs"),
    "a pair below all": ("cooccurrence", put("unit_id", 0, -1), "unit_id of pairs"),
    "a pair that overflows": ("cooccurrence", put("unit_id", 0, 2**62), "unit_id of pairs"),
    "a pair twice": ("cooccurrence", repeat(0), "each once and in order"),
    "a pair of no report": ("cooccurrence", put("reports", 0, 0), "reports of pairs"),
    "a pair of all reports": ("cooccurrence", put("reports", 0, 2**40), "reports of pairs"),
    "a negative pair": ("cooccurrence", put("reports", 0, -3), "reports of pairs"),
    "a candidate less": ("candidates", take(*range(5)), "unit_id of candidates"),
    "a candidate twice": ("candidates", repeat(0), "unit_id of candidates"),
    "a candidate that is none": ("candidates", put("unit_id", 0, 6), "unit_id of candidates"),
    "a candidate beyond all": ("candidates", put("unit_id", 0, 99), "unit_id of candidates"),
    "another usage": ("candidates", put("usage", 0, 10**6), "usage of candidates"),
    "usage of none": ("candidates", put("usage", 0, 0), "usage of candidates"),
    "negative speaks": ("candidates", put("speaks", 0, -1), "speaks of candidates"),
    "speaks beyond all": ("candidates", put("speaks", 0, 201), "speaks of candidates"),
    "a partner beyond all": ("candidates", partners([0, 6]), "together of candidates"),
    "a partner below all": ("candidates", partners([-1, 0]), "together of candidates"),
    "a partner one way": ("candidates", partners([0]), "together both ways"),
    "a partner twice": ("candidates", partners([0, 0, 1]), "together both ways"),
    "partners without reports": ("candidates", put("together", 0, [0]), "together_reports"),
    "partners of no report": ("candidates", partners([0], 0), "together_reports"),
    "partners of all too many": ("candidates", partners([0], 201), "together_reports"),
    "agreement of no unit": ("agreement", put("unit_id", 0, 14), "unit_id of agreement"),
    "agreement of a negative unit": ("agreement", put("unit_id", 0, -1), "unit_id of agreement"),
    "agreement of no candidate": ("agreement", put("candidate_id", 0, 13), "among the candidates"),
    "agreement twice": ("agreement", repeat(0), "found one twice"),
    "agreement of no report": ("agreement", put("speaks", 0, 0), "speaks of agreement"),
    "agreement beyond the unit": ("agreement", put("speaks", 0, 199), "speaks of agreement"),
    "an unknown topic": ("topics", put("concept", 0, "soul"), "expected the topics"),
    "a topic less": ("topics", take(*range(5)), "expected the topics"),
    "a topic twice": ("topics", repeat(0), "expected the topics"),
    "an unknown narrowing": ("topics", put("narrowing", 0, "very"), "expected the topics"),
    "topics that change places": ("topics", take(1, 0, 2, 3, 4, 5), "expected the topics"),
    "negative counts": ("topics", put("abnormal", 0, -1), "abnormal of topics"),
    "counts beyond all": ("topics", put("silent", 0, 2**50), "silent of topics"),
    "a skill beyond 1": ("topics", put("auroc", 2, 3.0), "auroc"),
    "an intercept less": ("topics", put("intercepts", 0, [0.0] * 5), "6 intercepts in row 0"),
    "an intercept without end": ("topics", put("intercepts", 0, [INF] * 6), "intercepts from"),
    "an intercept that is none": ("topics", put("intercepts", 0, [NAN] * 6), "intercepts from"),
    "an image learned of nothing": ("topics", put("image_learned", 0, True), "image_auroc"),
    "an image's intercepts of none": (
        "topics",
        put("image_intercepts", 0, [0.0] * 6),
        "0 image_intercepts",
    ),
    "a weight less": ("silence", put("weights", 3, [0.0] * 35), "36 weights in row 3, found 35"),
    "weights that are none": ("silence", put("weights", 3, [NAN] * 36), "weights from"),
    "a weight without end": ("silence", put("weights", 3, [-INF] * 36), "weights from"),
    "a feature twice": ("silence", repeat(0), "feature once"),
    "an empty feature": ("silence", put("feature", 0, ""), "empty"),
    "an image's weights of none": (
        "silence",
        put("image_weights", 0, [0.0] * 36),
        "0 image_weights",
    ),
    "dimensions of no image": (
        "image_scaling",
        lambda table: pa.table({"mean": [0.0], "factor": [1.0]}, schema=table.schema),
        "1 dimensions of images",
    ),
}


@pytest.mark.parametrize("kind", VALUES)
def test_values_that_no_build_makes(saved, tmp_path, kind):
    stem, edit, message = VALUES[kind]
    folder = copy_index(saved, tmp_path / "index")
    edit_table(folder, stem, edit)
    refuses(folder, message)


class TestSentencesThatMustNotTravel:
    @pytest.mark.parametrize(
        "text",
        [
            "Large left pneumothorax.",
            "No pleural effusion, J. Small.",
            "The lungs are clear, see https://evil.example.",
            "Lungs are clear 12.03.2019.",
            "Unchanged clear lungs.",
        ],
    )
    def test_a_turned_flag(self, saved, tmp_path, text):
        """The same words in every table, and the flag says that they may travel."""
        folder = copy_index(saved, tmp_path / "index")
        row = row_of(folder, "sentences", "text", "Lungs clear.")
        unit = read_table(folder, "sentences").column("unit_id")[row].as_py()
        if read_table(folder, "units").column("text")[unit].as_py() == "Lungs clear.":
            edit_table(folder, "units", put("text", unit, text))
        edit_table(folder, "sentences", put("text", row, text))
        edit_table(folder, "sentences", put("sentence", row, text.lower().strip(".")))
        edit_table(folder, "sentences", put("rebuilt", row, text))
        refuses(folder, "may travel|words of the lexicon")

    def test_another_text_than_the_one_that_was_counted(self, saved, tmp_path):
        folder = copy_index(saved, tmp_path / "index")
        row = row_of(folder, "sentences", "text", "Clear lungs.")
        edit_table(folder, "sentences", put("rebuilt", row, "Normal lungs."))
        refuses(folder, "words of the lexicon")

    def test_a_control_character(self, saved, tmp_path):
        folder = copy_index(saved, tmp_path / "index")
        row = row_of(folder, "sentences", "text", "Clear lungs.")
        edit_table(folder, "sentences", put("rebuilt", row, "Clear lungs\u202e."))
        refuses(folder, "words of the lexicon")

    def test_an_abnormal_sentence_that_is_called_normal(self, saved, tmp_path):
        folder = copy_index(saved, tmp_path / "index")
        row = row_of(folder, "sentences", "text", "Heart enlarged.")
        unit = read_table(folder, "sentences").column("unit_id")[row].as_py()
        rows = read_table(folder, "sentences").select(["unit_id", "reports"]).to_pylist()
        for at, held in enumerate(rows):
            if held["unit_id"] == unit:
                edit_table(folder, "sentences", put("sign", at, "normal"))
                edit_table(folder, "sentences", put("transferable", at, True))
                edit_table(folder, "sentences", put("rebuilt", at, "Heart enlarged."))
                edit_table(folder, "sentences", put("holders", at, held["reports"]))
        edit_table(folder, "units", put("sign", unit, "normal"))
        refuses(folder, "unit_id of candidates")

    def test_a_sentence_moved_into_another_unit(self, saved, tmp_path):
        """It may travel, but its risk would be told of another topic."""
        folder = copy_index(saved, tmp_path / "index")
        index = FindingsIndex.from_pretrained(folder)
        texts, units = (index.sentences.column(name).to_pylist() for name in ("text", "unit_id"))
        moved = put("unit_id", texts.index("Clear lungs."), units[texts.index("No pneumothorax.")])
        ids = index.agreement.candidate_ids
        check_readings(index.sentences, index.unit_table, ids, index.reader)
        with pytest.raises(ValueError, match="expected a sentence that says 'absent pneumothorax"):
            check_readings(moved(index.sentences), index.unit_table, ids, index.reader)
        edit_table(folder, "sentences", moved)
        refuses(folder)

    def test_a_unit_with_the_sign_of_none_of_its_sentences(self, saved, tmp_path):
        folder = copy_index(saved, tmp_path / "index")
        row = row_of(folder, "units", "sign", "abnormal")
        edit_table(folder, "units", put("sign", row, "normal"))
        refuses(folder, "sign of each unit")


def setting(name, value):
    return lambda config: config.update({name: value})


SETTINGS = {
    "preset": ["fast", None, 1, ["safe"]],
    "text_column": [None, 3, ["findings"], "x" * 1000, "a\nb"],
    "reports": [-1, 0, 1, 2**60, "200", 200.0, True, None],
    "reports_without_text": [-1, "0", 0.5],
    "embedder": [None, 3, "x" * 10_000, "a\x00b"],
    "clustering": [None, [], {"eps": {}}, {"eps": [[]]}, {str(k): 0 for k in range(99)}],
    "seed": ["0", 0.5, None],
    "lexicon": [None, 5],
    "reader": [None, "0" * 64, ""],
    "image_column": [5, []],
    "image_encoder": [5, {}],
    "patient_column": [0, [], True],
    "shared": [0, "no", None],
    "unsaid": [-0.1, 1, 1.5, "0.05", None],
    "semenrich_version": [None, 1],
    "an unknown setting": [1],
}


@pytest.mark.parametrize("name", SETTINGS)
def test_settings(saved, tmp_path, name):
    folder = copy_index(saved, tmp_path / "index")
    before = (folder / "config.json").read_text()
    for value in SETTINGS[name]:
        edit_config(folder, setting(name, value))
        refuses(folder)
        (folder / "config.json").write_text(before)
    if name in json.loads(before):
        edit_config(folder, lambda config: config.pop(name))
        refuses(folder, name)


ENTRIES = {
    "no files": lambda files: files.clear(),
    "a file less": lambda files: files.pop("units"),
    "a file more": lambda files: files.update(code=files["units"]),
    "no entry": lambda files: files.update(units=None),
    "a list": lambda files: files.update(units=["name", "sha256", "size"]),
    "a path out of the folder": lambda files: files["units"].update(name="../secret"),
    "an absolute path": lambda files: files["units"].update(name="/etc/passwd"),
    "a name of another file": lambda files: files["units"].update(name=files["topics"]["name"]),
    "a size that is a text": lambda files: files["units"].update(size="4"),
    "a size that is true": lambda files: files["units"].update(size=True),
    "a negative size": lambda files: files["units"].update(size=-1),
    "a size without end": lambda files: files["units"].update(size=2**62),
    "a hash that is a number": lambda files: files["units"].update(sha256=5),
    "a short hash": lambda files: files["units"].update(sha256="00"),
    "a file for another": lambda files: files.update(units=files["sentences"]),
}


@pytest.mark.parametrize("kind", ENTRIES)
def test_entries_of_files(saved, tmp_path, kind):
    folder = copy_index(saved, tmp_path / "index")
    edit_config(folder, lambda config: ENTRIES[kind](config["files"]))
    refuses(folder)


CONFIGS = {
    "lists within each other": "[" * 100_000,
    "tables within each other": '{"a":' * 100_000,
    "whole lists within each other": '{"format_version": 3, "a": ' + "[" * 500 + "]" * 500 + "}",
    "a few lists within each other": '{"format_version": 3, "a": ' + "[" * 20 + "]" * 20 + "}",
    "a key twice": '{"format_version": 3, "format_version": 3}',
    "a number that is none": '{"format_version": 3, "unsaid": NaN}',
    "a number without end": '{"format_version": 3, "unsaid": 1e999}',
    "a long number": '{"format_version": 3, "seed": ' + "9" * 200_000 + "}",
    "a large number": '{"format_version": 3, "seed": 99999999999999999999}',
    "half a pair": '{"format_version": 3, "lexicon": "\\ud800"}',
    "a version that is a text": '{"format_version": "3"}',
    "a version that is true": '{"format_version": true}',
    "a version in parts": '{"format_version": 3.7}',
    "a large file": '{"format_version": 3, "a": "' + "x" * 2**21 + '"}',
    "no table": "[3]",
}


@pytest.mark.parametrize("kind", CONFIGS)
def test_a_config_of_no_index(saved, tmp_path, kind):
    folder = copy_index(saved, tmp_path / "index")
    (folder / "config.json").write_text(CONFIGS[kind])
    refuses(folder, "is not the JSON of an index")


def entry(table, **values):
    return lambda tables: next(iter(tables[table].values())).update(values)


LEXICONS = {
    "no tables": lambda tables: tables.clear(),
    "a table less": lambda tables: tables.pop("findings"),
    "a table more": lambda tables: tables.update(code={}),
    "a list for a table": lambda tables: tables.update(structures=[]),
    "a text for a table": lambda tables: tables.update(findings="x"),
    "words that are a list": lambda tables: tables.update(words=[]),
    "no entry": lambda tables: tables["findings"].update(x=None),
    "an unknown key": entry("findings", code="import os"),
    "phrases that are a text": entry("findings", phrases="x"),
    "phrases that are numbers": entry("findings", phrases=[1]),
    "an empty phrase": entry("findings", phrases=["..."[:0]]),
    "a phrase without end": entry("findings", phrases=["a " * 10_000]),
    "an unknown concept": entry("findings", kind_of=["soul"]),
    "too many concepts": lambda tables: tables["findings"].update(
        {f"x{n}": {"phrases": [f"x{n}"]} for n in range(3000)}
    ),
    "a word for another": lambda tables: tables["words"]["normal"].append("pneumothorax"),
}


@pytest.mark.parametrize("kind", LEXICONS)
def test_lexicons(saved, tmp_path, kind):
    folder = copy_index(saved, tmp_path / "index")
    edit_json(folder, "lexicon", LEXICONS[kind])
    refuses(folder, r"lexicon-\w+.json is damaged")


def test_a_lexicon_that_is_no_table(saved, tmp_path):
    folder = copy_index(saved, tmp_path / "index")
    for content in (b"[]", b"null", b'"a"', b"[" * 10**6, b"\xff", b"", b'{"a": 1, "a": 1}'):
        replace_data(folder, "lexicon", content)
        refuses(folder, r"lexicon-\w+.json is damaged")


def header(place, form, value):
    def edit(content):
        changed = bytearray(content)
        struct.pack_into(f"<{form}", changed, place, value)
        return bytes(changed)

    return edit


VECTORS = {
    "another kind": header(0, "4s", b"IxHN"),
    "by Euclidean distance": header(33, "i", 1),
    "an unknown metric": header(33, "i", 99),
    "not trained": header(32, "B", 0),
    "no dimensions": header(4, "i", 0),
    "negative dimensions": header(4, "i", -64),
    "other dimensions": header(4, "i", 32),
    "dimensions without end": header(4, "i", 2**30),
    "other vectors": header(8, "q", 26),
    "negative vectors": header(8, "q", -1),
    "vectors without end": header(8, "q", 2**40),
    "values without end": header(37, "Q", 2**60),
    "values of none": header(37, "Q", 0),
    "a vector that is none": header(45, "f", NAN),
    "a vector without end": header(45, "f", INF),
    "a long vector": header(45, "f", 3.0),
    "cut": lambda content: content[:-8],
    "cut in the head": lambda content: content[:20],
    "empty": lambda content: b"",
    "more bytes": lambda content: content + bytes(8),
    "no FAISS": lambda content: b"\x80\x04" + content,
}


@pytest.mark.parametrize("kind", VECTORS)
def test_vectors(saved, tmp_path, kind):
    folder = copy_index(saved, tmp_path / "index")
    edit_bytes(folder, "vectors", VECTORS[kind])
    refuses(folder, r"vectors-\w+.faiss is damaged")


def test_a_file_of_another_kind(saved, tmp_path):
    folder = copy_index(saved, tmp_path / "index")
    for stem in ("sentences", "silence"):
        vectors = data_file(saved, "vectors").read_bytes()
        whole = data_file(folder, stem).read_bytes()
        for content in (b"", b"PAR1", b"PAR1" * 2, b"\x80\x04K\x01.", vectors):
            replace_data(folder, stem, content)
            refuses(folder, rf"{stem}-\w+.parquet is damaged")
        replace_data(folder, stem, whole)


@pytest.mark.parametrize("stem", ["sentences", "silence", "candidates", "vectors"])
def test_flipped_bytes_load_alike_or_are_refused(saved, tmp_path, stem):
    """Whatever byte is another: an error of this kind, or the same tables."""
    folder = copy_index(saved, tmp_path / "index")
    content = data_file(saved, stem).read_bytes()
    rng = np.random.default_rng(0)
    for place in rng.integers(0, len(content), 12).tolist():
        changed = bytearray(content)
        changed[place] ^= int(rng.integers(1, 256))
        replace_data(folder, stem, bytes(changed))
        with suppress(IndexFileError):
            FindingsIndex.from_pretrained(folder)


def test_what_was_not_edited_loads(saved, tmp_path):
    folder = copy_index(saved, tmp_path / "index")
    digest = FindingsIndex.from_pretrained(saved).digest
    for stem in ("sentences", "units", "candidates"):
        # Other bytes of the same table, and of other pages.
        replace_data(folder, stem, table_bytes(read_table(folder, stem), compression="none"))
    loaded = FindingsIndex.from_pretrained(folder)
    assert loaded.sentences.equals(FindingsIndex.from_pretrained(saved).sentences)
    assert loaded.digest != digest


def test_a_list_less_in_a_column(saved, tmp_path):
    folder = copy_index(saved, tmp_path / "index")
    edit_table(
        folder,
        "topics",
        lambda table: with_column(
            table, "intercepts", pa.array([[]] * table.num_rows, pa.list_(pa.float32()))
        ),
    )
    refuses(folder, "6 intercepts in row 0, found 0")
