"""A lexicon of a user's own: ten lines that go through every public door."""

import json
import pickle
import subprocess
import sys

import pytest
from datasets.fingerprint import Hasher
from fakes import FakeEncoder, build_index, child_environment, made_up_reports

from semenrich_datasets import FindingsIndex, Reader, SemEnricher
from semenrich_datasets.enrich.facts import refusal
from semenrich_datasets.reading import load_lexicon

TOML = """\
inherits = "chest_xray"

[findings.zorb]
phrases = ["zorb", "zorb sign"]
of = ["lungs"]
kind_of = ["opacity"]

[words]
filler = ["quondam"]
# Ten lines.
"""


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "zorbs.toml"
    path.write_text(TOML, encoding="utf-8")
    return path


def zorb_reports():
    rows = [row["findings"] for row in made_up_reports(150)]
    return [
        *(f"{text} No zorb." if number % 3 else text for number, text in enumerate(rows)),
        *["Zorb sign. No pneumothorax."] * 4,
    ]


def test_what_it_adds_is_read(path):
    assert len(TOML.splitlines()) == 10
    reader = Reader(path)
    for sentence in ("No zorb.", "Quondam lungs clear."):
        assert not Reader().read(sentence).understood
        assert reader.read(sentence).understood
    assert reader.read("No zorb.").is_transferable
    assert refusal("The lungs are clear.", "Zorb sign.", lexicon=str(path)) == "contradicts"
    assert refusal("No zorb.", "No opacity.", lexicon=reader) == "redundant"
    assert refusal("No zorb.", "Lungs clear.", lexicon=load_lexicon(path)) == "redundant"


@pytest.mark.parametrize("form", [str, lambda path: path, load_lexicon, Reader])
def test_an_index_takes_it_in_any_form(path, form):
    index = build_index(zorb_reports(), lexicon=form(path))
    assert index.config.lexicon == "zorbs"
    assert index.config.reader == Reader(path).digest == index.reader.digest
    unit = index.units(["No zorb sign."])[0]
    assert (unit.sign, unit.content) == ("normal", "absent zorb")
    assert unit.unit_id >= 0


def test_it_changes_digest_and_fingerprint_where_its_words_never_occur(path):
    plain, own = build_index(), build_index(lexicon=path)
    assert plain.sentences.equals(own.sentences)
    assert plain.unit_table.equals(own.unit_table)
    assert plain.digest != own.digest
    assert Hasher.hash(SemEnricher(plain)) != Hasher.hash(SemEnricher(own))
    assert build_index(lexicon=path).digest == own.digest
    assert Hasher.hash(SemEnricher(build_index(lexicon=path))) == Hasher.hash(SemEnricher(own))


def test_the_digest_of_a_saved_index_differs_too(path, tmp_path):
    plain, own = build_index(), build_index(lexicon=path)
    digests = {plain.save_pretrained(tmp_path / "plain"), own.save_pretrained(tmp_path / "own")}
    assert len(digests) == 2
    assert Hasher.hash(SemEnricher(plain)) != Hasher.hash(SemEnricher(own))


def zorbs(enricher, text):
    additions = enricher({"findings": text})["added_findings"]
    return [a["sentence"] for a in additions if "zorb" in a["sentence"].lower()]


def test_the_enricher_reads_by_it(path):
    index = build_index(zorb_reports(), lexicon=path)
    enricher = SemEnricher(index, min_score=0.0)
    assert zorbs(enricher, "No pneumothorax.") == ["No zorb."]
    assert zorbs(enricher, "No pneumothorax. A quondam zorb.") == []
    # Clear lungs have none, and a report with one has no clear lungs.
    assert zorbs(enricher, "Lungs clear.") == []
    lungs = enricher({"findings": "No pneumothorax. A quondam zorb."})["added_findings"]
    assert lungs
    assert "clear" not in str(lungs).lower()
    plain = SemEnricher(build_index(zorb_reports()), min_score=0.0)
    assert zorbs(plain, "No pneumothorax.") == []


SCRIPT = """
import json, sys
from fakes import UnusableEncoder
from semenrich_datasets import FindingsIndex, SemEnricher

index = FindingsIndex.from_pretrained(sys.argv[1], encoder=UnusableEncoder())
reading = index.reader.read("No zorb sign.")
enriched = SemEnricher(index, min_score=0.0)({"findings": "No pneumothorax."})
print(json.dumps([index.digest, reading.sign, reading.understood, index.config.lexicon, enriched]))
"""


def test_a_saved_index_reads_by_it_when_the_file_is_gone(path, tmp_path):
    index = build_index(zorb_reports(), lexicon=path)
    index.save_pretrained(tmp_path / "index")
    expected = SemEnricher(index, min_score=0.0)({"findings": "No pneumothorax."})
    data = pickle.dumps(SemEnricher(index, min_score=0.0))
    path.unlink()
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path / "index")],
        env=child_environment(tmp_path / "home"),
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout) == [index.digest, "normal", True, "zorbs", expected]
    loaded = FindingsIndex.from_pretrained(tmp_path / "index", encoder=FakeEncoder())
    assert loaded.reader == index.reader
    assert loaded.reader.lexicon.tables == index.reader.lexicon.tables
    assert pickle.loads(data)({"findings": "No pneumothorax."}) == expected
    assert zorbs(SemEnricher(tmp_path / "index", min_score=0.0), "No pneumothorax.") == ["No zorb."]
