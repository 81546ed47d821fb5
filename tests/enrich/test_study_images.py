"""Images of the rows that are enriched: decoded once, and only where they decide anything."""

import pickle

import datasets
import numpy as np
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


class GreyEncoder:
    """Tells the mean grey of a picture, twice; counts what it is shown."""

    shown = 0

    def encode(self, images):
        GreyEncoder.shown += len(images)
        levels = [np.asarray(image, dtype=np.float32).mean() / 255 for image in images]
        return np.array([[level, 1 - level] for level in levels], dtype=np.float32)


@pytest.fixture(scope="module")
def seeing():
    """An index whose hearts are large where the picture is bright."""
    table = {"findings": [], "image": []}
    for number in range(300):
        sick = number % 5 < 2
        told = f"{TEXTS[0] if number % 3 else 'No pleural effusion.'} Tube {number}."
        if sick or number % 2:
            told += " Cardiomegaly." if sick else " Heart size normal."
        table["findings"].append(told)
        table["image"].append(Pictures.new("L", (8, 8), (200 if sick else 60) + number % 7))
    return build_index(
        datasets.Dataset.from_dict(table, features=FEATURES),
        image_column="image",
        image_encoder=GreyEncoder(),
    )


def some_rows(cells):
    table = {"findings": ["No pneumothorax."] * len(cells), "image": cells}
    return datasets.Dataset.from_dict(table, features=FEATURES)


def hearts(enriched):
    return ["heart" in str(added).lower() for added in enriched["added_findings"]]


@pytest.mark.parametrize("batched", [True, False])
@pytest.mark.parametrize("guarded", [True, False])
def test_the_model_and_the_guards_share_one_decoding(seeing, rows, decoded, batched, guarded):
    guards = [Keep()] if guarded else []
    enricher = SemEnricher(seeing, image_column="image", image_encoder=GreyEncoder(), guards=guards)
    GreyEncoder.shown = 0
    enriched = rows.map(enricher, batched=batched, load_from_cache_file=False)
    # The first and the fourth report alone are of a kind that is added to.
    assert [bool(added) for added in enriched["added_findings"]] == [
        True,
        False,
        False,
        True,
        False,
    ]
    assert len(decoded) == GreyEncoder.shown == 2
    if guarded:
        assert {picture.getpixel((0, 0)) for picture in guards[0].seen} == {0, 120}


@pytest.mark.parametrize("batched", [True, False])
def test_what_cannot_be_decoded_leaves_it_to_the_texts(seeing, batched):
    dark, bright = (Pictures.new("L", (8, 8), level) for level in (62, 202))
    broken = {"bytes": b"no picture", "path": None}
    guard = Keep()
    enricher = SemEnricher(
        seeing, image_column="image", image_encoder=GreyEncoder(), guards=[guard], min_score=0.9
    )
    with pytest.warns(UserWarning, match="left out an image that can't be read"):
        enriched = some_rows([dark, bright, broken, None]).map(
            enricher, batched=batched, load_from_cache_file=False
        )
    by_text = SemEnricher(seeing, min_score=0.9)({"findings": "No pneumothorax."})
    by_text = hearts({"added_findings": [by_text["added_findings"]]})[0]
    assert hearts(enriched) == [True, False, by_text, by_text]


def test_rows_that_were_decoded_before_are_taken_as_they_are(seeing, decoded):
    enricher = SemEnricher(seeing, image_column="image", image_encoder=GreyEncoder())
    cells = [Pictures.new("L", (8, 8), level) for level in (62, 202)]
    batch = enricher({"findings": ["No pneumothorax."] * 2, "image": cells})
    single = [enricher({"findings": "No pneumothorax.", "image": cell}) for cell in cells]
    assert hearts(batch) == [True, False]
    assert batch["added_findings"] == [one["added_findings"] for one in single]
    assert decoded == []


def test_without_the_column_an_index_with_images_goes_by_the_texts(seeing, rows, decoded):
    plain = SemEnricher(seeing)
    rows.map(plain, batched=True, load_from_cache_file=False)
    assert decoded == []


def test_looking_at_images_changes_no_fingerprint(seeing):
    enricher = SemEnricher(seeing, image_column="image", image_encoder=GreyEncoder())
    before = Hasher.hash(enricher)
    cells = [Pictures.new("L", (8, 8), level) for level in (62, 202)]
    told = enricher({"findings": ["No pneumothorax."] * 2, "image": cells})
    assert Hasher.hash(enricher) == before
    again = pickle.loads(pickle.dumps(enricher))
    assert Hasher.hash(again) == before
    assert again({"findings": ["No pneumothorax."] * 2, "image": cells}) == told


def test_a_missing_image_column_is_named(seeing):
    with pytest.raises(ValueError, match="column 'picture' not found"):
        SemEnricher(seeing, image_column="picture")({"findings": ["No pneumothorax."]})
