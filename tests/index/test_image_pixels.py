"""Images in every form: their pixels, and when two of them are the same."""

import io
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image

from semenrich_datasets.index.image_pixels import content_key, is_missing, to_rgb

RAMP = np.linspace(100, 40_000, 256).astype(np.uint16).reshape(16, 16)
GREY = Image.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16))


def png(image, path=None):
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return {"bytes": buffer.getvalue(), "path": path}


class TestPixels:
    def test_sixteen_bit_pixels_keep_their_contrast(self):
        for image in (RAMP, Image.fromarray(RAMP), png(Image.fromarray(RAMP))):
            values = np.asarray(to_rgb(image))
            assert values.shape == (16, 16, 3)
            np.testing.assert_array_equal(values[..., 0].ravel(), np.arange(256))

    @pytest.mark.parametrize(
        "form",
        [
            lambda image: image,
            np.asarray,
            png,
            lambda image: image.convert("RGBA"),
            lambda image: np.asarray(image, dtype=np.float64) / 255,
            lambda image: Image.fromarray(np.asarray(image, dtype=np.float32) / 255),
            lambda image: torch.tensor(np.asarray(image)).expand(3, 16, 16),
            lambda image: np.asarray(image)[:, :, None],
        ],
        ids=[
            "pil",
            "array",
            "bytes",
            "rgba",
            "float",
            "float_pil",
            "channels_first",
            "one_channel",
        ],
    )
    def test_every_form_gives_the_same_picture(self, form):
        picture = to_rgb(form(GREY))
        assert picture.mode == "RGB"
        np.testing.assert_array_equal(np.asarray(picture), np.asarray(GREY.convert("RGB")))

    def test_a_path_is_read(self, tmp_path):
        GREY.save(tmp_path / "a.png")
        for path in (tmp_path / "a.png", str(tmp_path / "a.png")):
            np.testing.assert_array_equal(np.asarray(to_rgb(path))[..., 0], np.asarray(GREY))


class TestKeys:
    def test_a_file_is_its_bytes_wherever_they_lie(self, tmp_path):
        file = png(GREY)
        (tmp_path / "a.png").write_bytes(file["bytes"])
        with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
            archive.writestr("b.png", file["bytes"])
        zipped = {"bytes": None, "path": f"zip://b.png::{tmp_path / 'all.zip'}"}
        forms = [file, png(GREY, "b.png"), tmp_path / "a.png", {"path": str(tmp_path / "a.png")}]
        assert {content_key(form) for form in [*forms, zipped]} == {content_key(file)}
        np.testing.assert_array_equal(np.asarray(to_rgb(zipped))[..., 0], np.asarray(GREY))

    def test_other_pixels_types_shapes_and_palettes_are_other_images(self):
        other = np.asarray(GREY).copy()
        other[3, 3] += 1
        colours = GREY.convert("P")
        recoloured = colours.copy()
        recoloured.putpalette([255 - value for value in colours.getpalette()])
        images = [
            *(GREY, Image.fromarray(other), GREY.resize((8, 32))),
            *(GREY.convert("RGB"), colours, recoloured, png(GREY), png(Image.fromarray(other))),
            *(RAMP, RAMP.astype(np.float32), RAMP.reshape(8, 32), RAMP.T),
        ]
        assert len({content_key(image) for image in images}) == len(images)
        assert content_key(GREY) == content_key(GREY.copy())
        assert content_key(RAMP) == content_key(np.asfortranarray(RAMP))

    def test_what_is_no_image_is_said(self):
        with pytest.raises(TypeError, match="expected an image, found dict_keys"):
            content_key({}.keys())
        with pytest.raises(FileNotFoundError):
            content_key("none.png")

    @pytest.mark.parametrize("image", [None, {"bytes": None, "path": None}, {"bytes": None}])
    def test_missing(self, image):
        assert is_missing(image)
        assert not is_missing(GREY)
        assert not is_missing({"bytes": b"", "path": None})
