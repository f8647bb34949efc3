import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from client import BadImage
from client.images import EncodedImage, PixelImage, prepare
from tests.service.pictures import encode, random_pixels, random_png


def test_a_file_is_sent_as_it_is(tmp_path: Path) -> None:
    data = random_png()
    path = tmp_path / "digit.png"
    path.write_bytes(data)
    assert list(prepare([data, path, str(path)])) == [EncodedImage(data)] * 3


@pytest.mark.parametrize(
    ("form", "media_type"), [("PNG", "image/png"), ("JPEG", "image/jpeg"), ("WEBP", "image/webp"), ("BMP", "image/png")]
)
def test_a_files_kind_is_that_of_its_first_bytes_and_of_anything_else_png(form: str, media_type: str) -> None:
    assert EncodedImage(encode(Image.fromarray(random_pixels()), form)).media_type == media_type


@pytest.mark.parametrize("wrap", [np.asarray, torch.from_numpy], ids=["numpy", "torch"])
def test_pixels_say_their_scale(wrap: object) -> None:
    pixels = random_pixels()
    whole, fractions = prepare([wrap(pixels), wrap(pixels / np.float32(255))])  # type: ignore[operator]
    assert isinstance(whole, PixelImage)
    assert isinstance(fractions, PixelImage)
    assert json.loads(whole.document) == {"pixels": pixels.tolist(), "scale": 255}
    assert json.loads(fractions.document) == {"pixels": (pixels / np.float32(255)).tolist(), "scale": 1}
    assert whole.values == 28 * 28


def test_an_array_of_four_dimensions_is_many_images() -> None:
    assert len(list(prepare(random_pixels(shape=(5, 1, 28, 28))))) == 5
    assert len(list(prepare(random_pixels(shape=(3, 28, 28))))) == 1


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (np.zeros((28, 28), np.int64), "uint8, or floats"),
        (np.full((28, 28), np.nan), "NaN"),
        (np.zeros(28, np.uint8), r"\(28,\)"),
        (7, "got int"),
    ],
)
def test_what_is_no_image_is_refused_by_its_place(image: object, words: str) -> None:
    with pytest.raises(BadImage, match=rf"images\[1\]: .*{words}"):
        list(prepare([random_png(), image]))  # type: ignore[list-item]
    with pytest.raises(BadImage):
        list(prepare(image))  # type: ignore[arg-type]
