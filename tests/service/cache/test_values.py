import hashlib
import json
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from safetensors.numpy import save

from service.cache.keys import answer_keys, image_key
from service.cache.values import Dimensions, InvalidValueError, decode_answer, decode_image, encode
from service.images.served_image import ServedImage
from service.jobs import Bounds, Outcome, Scores, answer_class
from tests.service.cache.samples import DIMENSIONS, JOBS, bounds, equal, image, scores

IMAGE = image()
IMAGE_KEY = image_key(IMAGE.identity) or ""
KEY = "eabs:1:answer:0"


def read_scores(data: bytes, key: str = KEY) -> Scores:
    return decode_answer(data, key=key, kind=Scores, dimensions=DIMENSIONS)


def read_bounds(data: bytes, key: str = KEY) -> Bounds:
    return decode_answer(data, key=key, kind=Bounds, dimensions=DIMENSIONS)


def read_image(data: bytes, key: str = IMAGE_KEY) -> ServedImage:
    return decode_image(data, key=key, identity=IMAGE.identity)


READERS: list[tuple[Callable[..., Any], bytes]] = [
    (read_scores, encode(KEY, scores(explained=True))),
    (read_bounds, encode(KEY, bounds())),
    (read_image, encode(IMAGE_KEY, IMAGE)),
]
reader = pytest.mark.parametrize(("read", "data"), READERS, ids=["scores", "bounds", "image"])


def sealed(body: bytes) -> bytes:
    """A value whose checksum is right, whatever it holds."""
    return b"EABS\x01" + hashlib.sha256(body).digest() + body


@pytest.mark.parametrize(
    "outcome",
    [
        scores(),
        scores(explained=True),
        bounds(),
        Bounds(None, 0.0, None, None, 0.1),
        replace(scores(), steps=6, converged=True),
        Bounds(2, 0.1 + 0.2, None, 0.25, 1.0),
        replace(scores(), distances=np.array([0, 5e-324, 3.4e38], np.float32)),
    ],
)
def test_an_outcome_comes_back_to_the_bit(outcome: Outcome) -> None:
    found = decode_answer(encode(KEY, outcome), key=KEY, kind=type(outcome), dimensions=DIMENSIONS)
    assert equal(found, outcome)


@pytest.mark.parametrize("kept", [IMAGE, replace(IMAGE, resized_from=None, converted_from=None)])
def test_an_image_comes_back_to_the_bit(kept: ServedImage) -> None:
    assert equal(read_image(encode(IMAGE_KEY, kept)), kept)


def test_what_is_no_contiguous_array_is_written_in_its_order() -> None:
    turned = scores(explained=True).reconstructions
    assert turned is not None
    turned = turned[::-1]
    found = read_scores(encode(KEY, replace(scores(), reconstructions=turned)))
    assert found.reconstructions is not None
    assert np.array_equal(found.reconstructions, turned)


def test_a_value_is_little_larger_than_its_arrays() -> None:
    assert len(encode(KEY, scores())) < 700
    assert len(encode(IMAGE_KEY, IMAGE)) < IMAGE.pixels.nbytes + 600


@reader
def test_a_single_flipped_bit_is_found(read: Callable[..., Any], data: bytes) -> None:
    for bit in range(0, 8 * len(data), 1 if len(data) < 1000 else 7):
        wrong = bytearray(data)
        wrong[bit // 8] ^= 1 << bit % 8
        with pytest.raises(InvalidValueError):
            read(bytes(wrong))


@reader
def test_a_truncated_or_a_longer_value_is_found(read: Callable[..., Any], data: bytes) -> None:
    for length in range(0, len(data), max(1, len(data) // 1000)):
        with pytest.raises(InvalidValueError):
            read(data[:length])
    with pytest.raises(InvalidValueError):
        read(data + b"\0")


@reader
def test_a_value_under_another_key_is_found(read: Callable[..., Any], data: bytes) -> None:
    with pytest.raises(InvalidValueError):
        read(data, key=KEY + "1")


@reader
def test_a_value_of_another_format_is_found(read: Callable[..., Any], data: bytes) -> None:
    with pytest.raises(InvalidValueError):
        read(b"EABS\x02" + data[5:])


@given(st.binary(max_size=300))
def test_any_bytes_are_found(data: bytes) -> None:
    for read, _ in READERS:
        with pytest.raises(InvalidValueError):
            read(data)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(st.binary(max_size=300))
@example(b"\x02\0\0\0\0\0\0\0{}")
@example(save({"#header": np.frombuffer(b"[" * 100_000, np.uint8)}))
@example(save({"#header": np.frombuffer(b'{"key": "", "class": "Scores", "fields": 5}', np.uint8)}))
def test_any_bytes_with_the_right_checksum_are_found(body: bytes) -> None:
    for read, _ in READERS:
        with pytest.raises(InvalidValueError):
            read(sealed(body))


@given(st.dictionaries(st.sampled_from(["key", "class", "fields", "more"]), json_values))
def test_any_header_with_the_right_checksum_is_found(header: dict[str, object]) -> None:
    body = save({"#header": np.frombuffer(json.dumps(header).encode(), np.uint8), "scores": np.zeros(3, np.float32)})
    for read, _ in READERS:
        with pytest.raises(InvalidValueError):
            read(sealed(body))


NAN = np.array([0, np.nan, 1])


@pytest.mark.parametrize(
    "wrong",
    [
        {"scores": NAN.astype(np.float32)},
        {"distances": np.array([0, np.inf, 1], np.float32)},
        {"scores": np.zeros(3)},
        {"scores": np.zeros(2, np.float32)},
        {"scores": np.zeros((3, 1), np.float32)},
        {"scores": None},
        {"scores": 1.0},
        {"upper_bounds": np.zeros(3, np.uint8)},
        {"reconstructions": np.zeros((3, 1, 5, 4), np.uint8)},
        {"reconstructions": np.zeros((3, 1, 4, 5), np.float32)},
        {"reconstructions": "picture"},
    ],
)
def test_scores_that_no_model_of_these_dimensions_gives_are_found(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidValueError):
        read_scores(encode(KEY, replace(scores(), **wrong)))


@pytest.mark.parametrize(
    "wrong",
    [
        {"prediction": 3},
        {"prediction": -1},
        {"prediction": True},
        {"prediction": 1.0},
        {"radius": -0.5},
        {"radius": float("inf")},
        {"radius": float("nan")},
        {"radius": 1},
        {"radius": None},
        {"bounds": NAN},
        {"bounds": np.zeros(2)},
        {"bounds": np.zeros(3, np.float32)},
        {"attack_upper_bound": float("nan")},
        {"attack_upper_bound": "0"},
        {"probability": 1.5},
    ],
)
def test_bounds_that_no_model_of_these_dimensions_gives_are_found(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidValueError):
        read_bounds(encode(KEY, replace(bounds(), **wrong)))


@pytest.mark.parametrize(
    "wrong",
    [
        {"pixels": image(1).pixels},
        {"pixels": IMAGE.pixels.reshape(1, 14, 56)},
        {"pixels": IMAGE.pixels.astype(np.float64)},
        {"pixels": IMAGE.pixels[0]},
        {"pixels": IMAGE.pixels * 2},
        {"pixels": IMAGE.pixels * np.nan},
        {"pixels": None},
        {"identity": image(1).identity},
        {"identity": None},
        {"resized_from": (0, 5)},
        {"resized_from": (1, 2, 3)},
        {"resized_from": ("1", "2")},
        {"resized_from": 5},
        {"converted_from": 5},
    ],
)
def test_an_image_that_is_not_the_one_of_its_identity_is_found(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidValueError):
        read_image(encode(IMAGE_KEY, replace(IMAGE, **wrong)))


@pytest.mark.parametrize("outcome", [scores(explained=True), bounds()])
def test_every_field_of_an_outcome_is_looked_at(outcome: Outcome) -> None:
    for field in fields(outcome):
        wrong = replace(outcome, **{field.name: "nonsense"})
        with pytest.raises(InvalidValueError):
            decode_answer(encode(KEY, wrong), key=KEY, kind=type(outcome), dimensions=DIMENSIONS)


def test_an_answer_of_another_class_is_found() -> None:
    with pytest.raises(InvalidValueError):
        read_scores(encode(KEY, bounds()))
    with pytest.raises(InvalidValueError):
        read_bounds(encode(KEY, scores()))


def test_an_answer_about_another_models_classes_is_found() -> None:
    with pytest.raises(InvalidValueError):
        decode_answer(encode(KEY, scores()), key=KEY, kind=Scores, dimensions=Dimensions(10, (1, 28, 28)))


@given(st.sampled_from(JOBS), st.sampled_from(JOBS), st.integers(0, 3), st.integers(0, 3))
def test_an_answer_is_read_for_its_own_job_and_image_alone(written: Any, asked: Any, about: int, asks: int) -> None:
    (key,) = answer_keys(written, [str(about)]).values()
    (other,) = answer_keys(asked, [str(asks)]).values()
    data = encode(key, scores() if answer_class(written) is Scores else bounds())
    if key == other:
        decode_answer(data, key=other, kind=answer_class(asked), dimensions=DIMENSIONS)
    else:
        with pytest.raises(InvalidValueError):
            decode_answer(data, key=other, kind=answer_class(asked), dimensions=DIMENSIONS)
