"""Vectors of images: by content, in order, whatever is wrong with some of them."""

import io
import warnings

import datasets
import efficientnet
import numpy as np
import pytest
from PIL import Image

from semenrich_datasets.index import image_embedding
from semenrich_datasets.index.image_embedding import embed_images, image_encoder_name
from semenrich_datasets.phantom import load_phantom

IMAGES = [
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (9, 8), dtype=np.uint8))
    for seed in range(30)
]


def png(image):
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return {"bytes": buffer.getvalue(), "path": None}


BAD = {"bytes": b"no image", "path": None}


class CountingEncoder:
    """The first pixels of each picture; keeps how many it was asked for, and can die on the way."""

    name = "counting"

    def __init__(self, dies_after=None, dimension=5):
        self.batches = []
        self.dies_after = dies_after
        self.dimension = dimension

    @property
    def count(self):
        return sum(self.batches)

    def encode(self, images):
        if self.dies_after is not None and self.count >= self.dies_after:
            raise KeyboardInterrupt
        self.batches.append(len(images))
        assert {image.mode for image in images} == {"RGB"}
        return np.stack([np.asarray(image)[..., 0].ravel()[: self.dimension] for image in images])


def embed(images, encoder, cache_dir, **kwargs):
    return embed_images(images, encoder, cache_dir=cache_dir, show_progress=False, **kwargs)


def expected(images):
    return np.stack([np.asarray(image).ravel()[:5] for image in images]).astype(np.float32)


class TestVectors:
    def test_rows_are_float32_in_the_order_given(self, tmp_path):
        vectors = embed(IMAGES, CountingEncoder(), tmp_path)
        assert vectors.dtype == np.float32
        np.testing.assert_array_equal(vectors, expected(IMAGES))

    def test_repeats_are_encoded_once(self, tmp_path):
        encoder = CountingEncoder()
        vectors = embed([*IMAGES, *(image.copy() for image in IMAGES[::-1])], encoder, tmp_path)
        assert encoder.count == 30
        np.testing.assert_array_equal(vectors, expected([*IMAGES, *IMAGES[::-1]]))

    def test_batches_are_full(self, tmp_path, monkeypatch):
        monkeypatch.setattr(image_embedding, "_SHARD", 16)
        encoder = CountingEncoder()
        embed(IMAGES, encoder, tmp_path, batch_size=7)
        assert encoder.batches == [7, 7, 7, 7, 2]

    @pytest.mark.parametrize(
        ("answer", "found"),
        [
            (lambda n: np.ones((n + 1, 3)), r"expected .* \(2, d\).*found \(3, 3\)"),
            (lambda n: np.ones(n), r"found \(2,\)"),
            (lambda n: np.full((n, 3), np.inf), "finite.*found 2 of 2"),
        ],
    )
    def test_wrong_answers_of_an_encoder_are_refused(self, tmp_path, answer, found):
        encoder = CountingEncoder()
        encoder.encode = lambda images: answer(len(images))
        with pytest.raises(ValueError, match=found):
            embed(IMAGES[:2], encoder, tmp_path)

    def test_nothing_to_embed_is_refused(self, tmp_path):
        with pytest.raises(ValueError, match="at least one image"):
            embed([], CountingEncoder(), tmp_path)
        with pytest.raises(ValueError, match="batch_size of at least 1, found 0"):
            embed(IMAGES, CountingEncoder(), tmp_path, batch_size=0)


class TestForms:
    def test_a_column_is_read_row_by_row_decoded_or_not(self, tmp_path):
        column = datasets.Dataset.from_dict({"image": IMAGES}).cast_column(
            "image", datasets.Image()
        )
        undecoded = column.cast_column("image", datasets.Image(decode=False))["image"]
        assert undecoded[0]["bytes"]
        for images in (column["image"], undecoded):
            vectors = embed(images, CountingEncoder(), tmp_path)
            np.testing.assert_array_equal(vectors, expected(IMAGES))

    def test_memory_holds_a_batch(self, tmp_path):
        alive = {"now": 0, "most": 0}

        class Picture(np.ndarray):
            def __del__(self):
                alive["now"] -= 1

        class Lazy:
            def __len__(self):
                return 200

            def __getitem__(self, row):
                alive["now"] += 1
                alive["most"] = max(alive["most"], alive["now"])
                picture = np.ndarray.__new__(Picture, (4, 4), np.uint8)
                picture[:] = row
                return picture

        embed(Lazy(), CountingEncoder(), tmp_path, batch_size=4)
        assert alive["most"] < 12

    def test_sixteen_bits_are_not_clipped(self, tmp_path):
        ramp = np.linspace(0, 65_535, 72).astype(np.uint16).reshape(9, 8)
        vectors = embed([ramp, Image.fromarray(ramp)], CountingEncoder(), tmp_path)
        np.testing.assert_array_equal(vectors, [(np.arange(5) * 255 / 71).round()] * 2)


class TestBadImages:
    def test_their_rows_are_nan_and_one_warning_counts_them(self, tmp_path):
        cut = png(IMAGES[3])["bytes"][:-30]
        images = [BAD, IMAGES[0], None, BAD, png(IMAGES[1]), {"bytes": cut, "path": None}]
        images += ["none.png", {"bytes": None, "path": None}]
        encoder = CountingEncoder()
        with pytest.warns(
            RuntimeWarning,
            match=r"6 of 8 images are NaN: 2 missing, 4 that cannot be decoded \(the first, row 0: "
            "UnidentifiedImageError",
        ) as caught:
            vectors = embed(images, encoder, tmp_path)
        assert len(caught) == 1
        assert np.isnan(vectors).all(axis=1).tolist() == [
            True,
            False,
            *[True] * 2,
            False,
            *[True] * 3,
        ]
        np.testing.assert_array_equal(vectors[[1, 4]], expected(IMAGES[:2]))

    def test_a_missing_image_has_no_others_vector(self, tmp_path):
        with pytest.warns(RuntimeWarning, match="1 missing, 0 that cannot be decoded$"):
            vectors = embed([IMAGES[0], None, IMAGES[1]], CountingEncoder(), tmp_path)
        assert np.isnan(vectors).all(axis=1).tolist() == [False, True, False]

    def test_they_are_not_kept(self, tmp_path):
        for _ in range(2):
            with pytest.warns(RuntimeWarning, match="1 that cannot be decoded"):
                embed([BAD, IMAGES[0]], CountingEncoder(), tmp_path)

    def test_without_any_image_the_encoder_says_the_dimension(self, tmp_path):
        with pytest.warns(RuntimeWarning, match="2 of 2 images are NaN"):
            vectors = embed([None, BAD], CountingEncoder(), tmp_path)
        assert vectors.shape == (2, 5)
        assert np.isnan(vectors).all()

    def test_a_sequence_that_cannot_decode_a_row_goes_on(self, tmp_path):
        rows = [png(IMAGES[0]), BAD, png(IMAGES[1])]
        column = datasets.Dataset.from_dict(
            {"image": rows}, features=datasets.Features({"image": datasets.Image()})
        )["image"]
        with pytest.warns(RuntimeWarning, match="row 1: "):
            vectors = embed(column, CountingEncoder(), tmp_path)
        np.testing.assert_array_equal(vectors[[0, 2]], expected(IMAGES[:2]))

    def test_good_images_bring_no_warning(self, tmp_path):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            embed(IMAGES, CountingEncoder(), tmp_path)


class TestCache:
    def test_a_second_call_does_not_ask_the_encoder(self, tmp_path):
        first = embed(IMAGES[:20], CountingEncoder(), tmp_path)
        encoder = CountingEncoder()
        grown = embed(IMAGES[::-1], encoder, tmp_path)[::-1]
        assert encoder.count == 10
        np.testing.assert_array_equal(grown[:20], first)
        encoder = CountingEncoder()
        np.testing.assert_array_equal(embed(IMAGES, encoder, tmp_path), grown)
        assert encoder.count == 0

    def test_the_content_counts_not_where_it_lies(self, tmp_path):
        file = png(IMAGES[0])
        (tmp_path / "a.png").write_bytes(file["bytes"])
        embed([file], CountingEncoder(), tmp_path / "cache")
        encoder = CountingEncoder()
        embed([{"bytes": None, "path": str(tmp_path / "a.png")}], encoder, tmp_path / "cache")
        assert encoder.count == 0
        (tmp_path / "a.png").write_bytes(png(IMAGES[1])["bytes"])
        vectors = embed([tmp_path / "a.png"], encoder, tmp_path / "cache")
        np.testing.assert_array_equal(vectors, expected(IMAGES[1:2]))

    def test_a_killed_run_resumes(self, tmp_path, monkeypatch):
        monkeypatch.setattr(image_embedding, "_SHARD", 10)
        with pytest.raises(KeyboardInterrupt):
            embed(IMAGES, CountingEncoder(dies_after=25), tmp_path, batch_size=5)
        encoder = CountingEncoder()
        np.testing.assert_array_equal(embed(IMAGES, encoder, tmp_path), expected(IMAGES))
        assert encoder.count == 10

    def test_another_name_is_another_cache_and_without_one_there_is_none(self, tmp_path):
        embed(IMAGES, CountingEncoder(), tmp_path)
        for name in ("other", None, None):
            encoder = CountingEncoder()
            encoder.name = name
            embed(IMAGES, encoder, tmp_path)
            assert encoder.count == 30
        assert {path.name for path in tmp_path.iterdir()} == {"counting", "other"}
        assert image_encoder_name(encoder) == "anonymous CountingEncoder"

    def test_an_encoder_that_changed_its_dimension_is_refused(self, tmp_path):
        embed(IMAGES[:5], CountingEncoder(), tmp_path)
        with pytest.raises(ValueError, match=r"one dimension, found \[4, 5\]"):
            embed(IMAGES, CountingEncoder(dimension=4), tmp_path)

    def test_it_lies_in_the_hugging_face_cache(self, tmp_path, monkeypatch):
        monkeypatch.setattr("huggingface_hub.constants.HF_HOME", str(tmp_path))
        embed(IMAGES, CountingEncoder(), None)
        assert list((tmp_path / "semenrich" / "image-embeddings" / "counting").glob("*.parquet"))


@pytest.mark.skipif(not efficientnet.is_installed(), reason=efficientnet.MISSING)
class TestARealModel:
    def test_what_an_image_shows_is_in_its_vector(self, tmp_path):
        from sklearn.linear_model import LogisticRegression
        from sklearn.metrics import roc_auc_score
        from sklearn.preprocessing import StandardScaler

        studies = load_phantom(600, image_size=128)
        images = studies.cast_column("image", datasets.Image(decode=False))["image"]
        vectors = embed(images, efficientnet.EfficientNetLite0(), tmp_path)
        large = [any(one["name"] == "cardiomegaly" for one in truth) for truth in studies["truth"]]
        features = StandardScaler().fit(vectors[:400]).transform(vectors)
        model = LogisticRegression(C=0.1).fit(features[:400], large[:400])
        assert roc_auc_score(large[400:], model.decision_function(features[400:])) > 0.9

    def test_a_vector_does_not_depend_on_its_batch(self, tmp_path):
        images = load_phantom(12, image_size=128)["image"]
        encoder = efficientnet.EfficientNetLite0()
        whole = embed(images, encoder, tmp_path / "whole")
        apart = embed(images, encoder, tmp_path / "apart", batch_size=5)
        np.testing.assert_allclose(apart, whole, atol=1e-4)
        np.testing.assert_array_equal(embed(images, encoder, tmp_path / "again"), whole)
