"""Images in the index: what they decide, and what they tell of the share left unsaid."""

import random
import warnings

import numpy as np
import pytest
from datasets import Dataset, Features, Image, Value
from fakes import FakeEncoder
from PIL import Image as Pictures

from semenrich_datasets import FindingsIndex, SemEnricher
from semenrich_datasets.index.silence import from_tables, to_tables
from semenrich_datasets.index.silence_images import image_scaling, learn_unsaid
from semenrich_datasets.index.topics import ABNORMAL, NORMAL, SILENT, Topic

FEATURES = Features({"findings": Value("string"), "image": Image()})


class GreyEncoder:
    """Tells the mean grey of a picture, twice."""

    def encode(self, images):
        levels = [np.asarray(image, dtype=np.float32).mean() / 255 for image in images]
        return np.array([[level, 1 - level] for level in levels], dtype=np.float32)


def picture(level, seed=0):
    noise = np.random.default_rng(seed).integers(-8, 9, (8, 8))
    return Pictures.fromarray(np.clip(level + noise, 0, 255).astype(np.uint8))


def made_rows(n=400, seed=0, unsaid=0.1):
    """The heart is large where the picture is bright; a tenth of these say nothing of it."""
    rng = random.Random(seed)
    rows = []
    for number in range(n):
        sick = rng.random() < 0.4
        told = [rng.choice(["No pneumothorax.", "No pleural effusion."]), f"Tube {number}."]
        if rng.random() < (1 - unsaid if sick else 0.5):
            told.append("Cardiomegaly." if sick else "Heart size normal.")
        rows.append({"findings": " ".join(told), "image": picture(200 if sick else 60, number)})
    return rows


def build(rows, **options):
    settings = {"embedder": FakeEncoder(), "clustering": "dbscan", "show_progress": False}
    return FindingsIndex.build(
        Dataset.from_list(rows, features=FEATURES),
        **{"image_column": "image", "image_encoder": GreyEncoder(), **settings, **options},
    )


@pytest.fixture(scope="module")
def index():
    return build(made_rows())


def enricher_of(index, **options):
    settings = {"image_column": "image", "image_encoder": GreyEncoder(), **options}
    return SemEnricher(index, "findings", [], **settings)


def hearts(enriched):
    return ["heart" in str(added).lower() for added in enriched["added_findings"]]


def test_the_image_has_the_last_word(index):
    rows = {
        "findings": ["No pneumothorax."] * 4,
        "image": [picture(60), picture(200), None, picture(61)],
    }
    assert hearts(enricher_of(index)(rows)) == [True, False, False, True]


def test_the_model_of_texts_stands_where_no_image_is_asked_for(index):
    heart = index.silence.topics.index(Topic("heart"))
    silence = index.silence
    rest = silence.rest([index.reader.read("No pneumothorax.")], [], [])
    grey = GreyEncoder().encode([picture(60), picture(200)])
    dark, bright = (silence.log_odds(rest, vector)[heart] for vector in grey)
    blind = silence.log_odds(rest)[heart]
    assert dark < blind < bright
    assert silence.log_odds(rest, np.full(2, np.nan, np.float32))[heart] == blind
    assert "the image" in {one.feature for one in silence.explain(rest, heart, grey[1])}


def test_files_keep_the_image_model(index, tmp_path):
    index.save_pretrained(tmp_path / "index")
    again = FindingsIndex.from_pretrained(tmp_path / "index").silence
    assert np.array_equal(again.image.weights, index.silence.image.weights)
    assert np.array_equal(again.scaling, index.silence.scaling)
    assert again.image.weights.shape[1] == len(again.features) + 2
    assert again.unsaid == index.silence.unsaid > 0.05
    assert index.config.image_encoder == "anonymous GreyEncoder"


def test_a_report_without_a_picture_teaches_the_texts_alone():
    rows = made_rows()
    for row in rows[::7]:
        row["image"] = None
    index = build(rows)
    assert index.silence.counts.abnormal.sum() == build(made_rows()).silence.counts.abnormal.sum()
    assert hearts(enricher_of(index)({"findings": ["No pneumothorax."], "image": [picture(60)]}))


@pytest.mark.parametrize("given", [{"image_encoder": None}, {"image_column": None}])
def test_column_and_encoder_go_together(given):
    missing = next(iter(given))
    with pytest.raises(ValueError, match=f"expected {missing}="):
        build(made_rows(20), **given)


def test_a_missing_image_column_is_named():
    with pytest.raises(ValueError, match="column 'picture' not found"):
        build(made_rows(20), image_column="picture")


@pytest.mark.parametrize("share", [0.0, 0.1, 0.3])
def test_the_share_left_unsaid_is_learned(share):
    """Of 4,000 studies a quarter are abnormal; the images tell, with some overlap."""
    rng = np.random.default_rng(0)
    sick = rng.random(4_000) < 0.25
    images = rng.normal(size=(4_000, 3)) + np.where(sick, 1.6, 0)[:, None]
    silent = rng.random(4_000) < np.where(sick, share, 0.5)
    stance = np.where(silent, SILENT, np.where(sick, ABNORMAL, NORMAL)).astype(np.int8)
    folds = 1 + np.arange(4_000) % 5
    found = learn_unsaid(images.astype(np.float32), stance[:, None], folds)
    assert found == pytest.approx(share, abs=0.03)


def test_images_that_show_nothing_tell_nothing():
    rng = np.random.default_rng(1)
    stance = rng.integers(0, 4, (900, 1)).astype(np.int8)
    images = rng.normal(size=(900, 3)).astype(np.float32)
    assert learn_unsaid(images, stance, 1 + np.arange(900) % 5) is None


def test_scaling_leaves_out_what_is_missing():
    images = np.array([[0, 10], [2, 10], [np.nan, np.nan]], dtype=np.float32)
    mean, factor = image_scaling(images)
    assert mean.tolist() == [1, 10]
    assert np.isfinite(factor).all()
    assert factor[0] > 0
    assert image_scaling(np.full((2, 3), np.nan, np.float32)).tolist() == [[0] * 3, [1] * 3]


def test_tables_keep_the_image_model(index):
    own = index.silence
    tables = to_tables(own)
    again = from_tables(*tables, unsaid=own.unsaid)
    for one, other in zip(tables, to_tables(again), strict=True):
        assert str(one.to_pylist()) == str(other.to_pylist())
    for name in ("weights", "intercepts", "learned", "auroc"):
        mine, read = getattr(own.image, name), getattr(again.image, name)
        assert mine.dtype == read.dtype
        assert np.array_equal(mine, read, equal_nan=name == "auroc")
    vector = GreyEncoder().encode([picture(90)])[0]
    assert again.log_odds([0], vector, 2).tolist() == own.log_odds([0], vector, 2).tolist()


def test_what_is_seen_tells_more_than_what_is_written(index):
    heart = index.silence.topics.index(Topic("heart"))
    assert index.silence.image.learned[heart]
    assert index.silence.image.auroc[heart] > 0.8
    text = index.silence.text.auroc[heart]
    assert np.isnan(text) or text < index.silence.image.auroc[heart]


def test_the_order_of_reports_and_pictures_changes_nothing(index):
    rows = made_rows()
    assert build(random.Random(4).sample(rows, len(rows))).digest == index.digest


def test_a_picture_that_cannot_be_read_is_as_good_as_none():
    def built(cell):
        rows = made_rows()
        for row in rows[::9]:
            row["image"] = cell
        with pytest.warns(RuntimeWarning, match="of 400 images are NaN"):
            return build(rows)

    broken, missing = built({"bytes": b"no picture", "path": None}), built(None)
    assert np.isfinite(broken.silence.image.weights).all()
    assert broken.digest == missing.digest


def test_an_index_without_images_asks_for_none(index):
    rows = made_rows()
    blind = build(rows, image_column=None, image_encoder=None)
    assert blind.silence.image is None
    assert blind.silence.unsaid == 0.05
    vector = GreyEncoder().encode([picture(200)])[0]
    assert blind.silence.log_odds([0], vector).tolist() == blind.silence.log_odds([0]).tolist()
    # The texts tell the same, whether there are pictures or not.
    assert np.array_equal(blind.silence.text.weights, index.silence.text.weights)


def test_less_than_is_assumed_is_never_believed():
    for share in (0.0, 0.03):
        assert build(made_rows(unsaid=share)).silence.unsaid == 0.05
    assert build(made_rows(unsaid=0.3)).silence.unsaid > 0.15


def gaussian(n, share, seed, shift=2.5):
    """Studies of which two in five are abnormal, how they look, and what is said of them."""
    rng = np.random.default_rng(seed)
    sick = rng.random(n) < 0.4
    silent = rng.random(n) < np.where(sick, share, 0.5)
    stance = np.where(silent, SILENT, np.where(sick, ABNORMAL, NORMAL)).astype(np.int8)
    return (rng.normal(size=(n, 2)) + np.where(sick, shift, 0)[:, None]).astype(np.float32), stance


def test_topics_are_taken_together():
    n = 2_000
    (seen, often), (also, seldom) = gaussian(n, 0.4, 0), gaussian(n, 0.1, 1)
    stance, folds = np.stack([often, seldom], axis=1), 1 + np.arange(n) % 5
    images = np.hstack([seen, also])
    # Each topic has about as many abnormal studies.
    assert learn_unsaid(images, stance, folds) == pytest.approx(0.25, abs=0.03)
    assert learn_unsaid(images, stance[:, :1], folds) == pytest.approx(0.4, abs=0.04)
    # One that shows in no image has no part in it.
    hidden = np.random.default_rng(2).permutation(often)
    with_hidden = np.stack([often, hidden], axis=1)
    assert learn_unsaid(seen, with_hidden, folds) == learn_unsaid(seen, stance[:, :1], folds)


@pytest.mark.parametrize("kind", [SILENT, NORMAL, ABNORMAL])
def test_from_too_few_reports_no_share_is_learned(kind):
    images, stance = gaussian(400, 0.3, 3)
    folds = 1 + np.arange(400) % 5
    few = np.flatnonzero(stance == kind)[:19]
    kept = np.sort(np.concatenate([few, np.flatnonzero(stance != kind)]))
    assert learn_unsaid(images, stance[:, None], folds) is not None
    assert learn_unsaid(images[kept], stance[kept][:, None], folds[kept]) is None
    assert learn_unsaid(images, np.zeros((400, 0), np.int8), folds) is None


@pytest.mark.parametrize("pictures", [0, 12])
def test_where_images_taught_nothing_the_texts_stand(pictures):
    """Too few pictures to learn from: one that is shown takes back nothing that a text tells."""
    rows = []
    for number in range(300):
        sick = number % 5 < 2
        told = ["No pneumothorax." if number % 3 else "No pleural effusion."]
        told += [f"Tube {number}.", *(["Mild scoliosis."] if sick else [])]
        if sick or number % 2:
            told.append("Cardiomegaly." if sick else "Heart size normal.")
        seen = picture(200 if sick else 60) if number < pictures else None
        rows.append({"findings": " ".join(told), "image": seen})
    with pytest.warns(RuntimeWarning, match="missing"):
        index = build(rows)
    silence = index.silence
    heart = silence.topics.index(Topic("heart"))
    assert silence.text.learned[heart]
    assert not silence.image.learned[heart]
    rest = silence.rest([index.reader.read("Mild scoliosis.")], [], [])
    dark = GreyEncoder().encode([picture(60)])[0]
    for fold in (0, 2):
        shown = silence.log_odds(rest, dark, fold)[heart]
        assert shown == silence.log_odds(rest, fold=fold)[heart]
        assert silence.explain(rest, heart, dark, fold) == silence.explain(rest, heart, fold=fold)
    assert silence.risk(silence.log_odds(rest, dark))[heart] > 0.1


def test_it_converges_on_dimensions_that_hang_together():
    rng = np.random.default_rng(4)
    shown = rng.normal(size=(900, 24))
    sick = shown @ np.linspace(-2, 2, 24) > 0
    stance = np.where(rng.random(900) < 0.3, SILENT, np.where(sick, ABNORMAL, NORMAL))
    mixed = (shown * 0.6 ** np.arange(24)) @ np.linalg.qr(rng.normal(size=(24, 24)))[0]
    images = (300 * mixed).astype(np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert learn_unsaid(images, stance[:, None].astype(np.int8), 1 + np.arange(900) % 5)
