"""Images of the rows that are enriched: decoded once, and only where they decide anything."""

import pickle

import datasets
import pytest
from datasets.fingerprint import Hasher
from fakes import build_index, made_up_reports
from PIL import Image as Pictures

from semenrich_datasets import SemEnricher

FEATURES = datasets.Features({"findings": datasets.Value("string"), "image": datasets.Image()})
TEXTS = ["No pneumothorax.", None, "MRI of the brain.", "Heart size normal.", "Zork."]


class Keep:
    """A guard that keeps all, and notes the pictures that it is shown."""

    def __init__(self):
        self.seen = []

    def __call__(self, proposals):
        self.seen.extend(proposal.image for proposal in proposals)
        return [None] * len(proposals)


@pytest.fixture(scope="module")
def index():
    return build_index(made_up_reports())


@pytest.fixture
def rows():
    pictures = [Pictures.new("L", (8, 8), 40 * n) for n in range(len(TEXTS))]
    table = {"findings": TEXTS, "image": pictures}
    return datasets.Dataset.from_dict(table, features=FEATURES)


@pytest.fixture
def decoded(monkeypatch):
    calls = []
    real = datasets.Image.decode_example

    def decode(self, value, *args, **kwargs):
        calls.append(value)
        return real(self, value, *args, **kwargs)

    monkeypatch.setattr(datasets.Image, "decode_example", decode)
    return calls


@pytest.mark.parametrize("batched", [True, False])
def test_only_what_is_proposed_for_is_decoded_and_once(index, rows, decoded, batched):
    guard = Keep()
    enricher = SemEnricher(index, image_column="image", guards=[guard])
    enriched = rows.map(enricher, batched=batched, load_from_cache_file=False)
    additions = [len(added) for added in enriched["added_findings"]]
    assert additions[0]
    assert additions[3]
    assert additions[1:3] == [0, 0]
    assert additions[4] == 0
    assert len(decoded) == 2
    assert len(guard.seen) == sum(additions)
    assert {picture.getpixel((0, 0)) for picture in guard.seen} == {0, 120}


def test_without_a_guard_or_a_model_nothing_is_decoded(index, rows, decoded):
    rows.map(SemEnricher(index, image_column="image"), batched=True, load_from_cache_file=False)
    assert decoded == []


def test_a_run_changes_no_fingerprint(index, rows):
    enricher = SemEnricher(index, image_column="image", guards=[])
    before = Hasher.hash(enricher)
    enricher(rows[:2])
    assert Hasher.hash(enricher) == before
    assert Hasher.hash(pickle.loads(pickle.dumps(enricher))) == before
    assert Hasher.hash(SemEnricher(index, image_column="other")) != before
