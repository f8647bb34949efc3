import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.errors import Invalid, Malformed, ServiceError, TooLarge
from service.open_inference.framing import read_message, write_message
from service.open_inference.images import read_image_tensor
from service.open_inference.schemas import InferResponse
from service.open_inference.tensors import Tensor


def request(**image: Any) -> dict[str, Any]:
    return {"inputs": [{"name": "image", "datatype": "BYTES", "shape": [1], **image}]}


def refuse(body: Any, refusal: type[ServiceError], words: str, *, tail: bytes = b"", header: int | None = None) -> None:
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    with pytest.raises(refusal, match=words):
        read_message(text + tail, json_length=header)


def test_the_image_comes_within_the_json_or_behind_it() -> None:
    text = json.dumps(request(data=["a"])).encode()
    assert read_message(text, json_length=None).source == ["a"]
    assert read_message(text, json_length=len(text)).source == ["a"]
    text = json.dumps(request(parameters={"binary_data_size": 3})).encode()
    assert read_message(text + b"abc", json_length=len(text)).source == b"abc"


def test_binary_data_of_another_length_than_declared_is_malformed() -> None:
    body = request(parameters={"binary_data_size": 3})
    size = len(json.dumps(body))
    refuse(body, Malformed, "expected 3 bytes of binary data behind the JSON, got 2", tail=b"ab", header=size)
    refuse(body, Malformed, "expected 3 bytes of binary data behind the JSON, got 4", tail=b"abcd", header=size)
    refuse(body, Malformed, "got 0; the header Inference-Header-Content-Length says where it begins")
    refuse(request(data=["a"]), Malformed, "expected 0 bytes", tail=b"x", header=len(json.dumps(request(data=["a"]))))
    refuse(body, Malformed, "expected at most the body's", header=10_000)


@pytest.mark.parametrize("body", [b"{", b"[" * 10_000, b"\xff", b"", b'{"inputs": []} x'])
def test_what_is_not_json_is_malformed(body: bytes) -> None:
    refuse(body, Malformed, "body: expected JSON, got")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ([], "body: expected an inference request"),
        ({}, "inputs"),
        ({"inputs": []}, "inputs: expected one, 'image', got none"),
        ({"inputs": request()["inputs"] * 2}, "got 'image', 'image'"),
        ({"inputs": [{"name": "picture", "datatype": "FP32", "shape": [1]}]}, "got 'picture'"),
        (request(), "expected one of data and binary_data_size, got none"),
        (request(data=["a"], parameters={"binary_data_size": 0}), "got both"),
        (request(shape=[-1]), r"inputs\[0\].shape\[0\]"),
        (request(shape=["1"]), r"inputs\[0\].shape\[0\].*got '1'"),
        (request(data="a"), r"inputs\[0\].data"),
        (request(parameters={"shared_memory_region": "r"}), r"inputs\[0\].parameters.shared_memory_region"),
        (request(data=["a"]) | {"id": 42}, "id: Input should be a valid string, got 42"),
        (request(data=["a"]) | {"ids": "42"}, "ids: Extra inputs are not permitted"),
        (request(data=["a"]) | {"parameters": {"effort": ["fast"]}}, "parameters.effort"),
        (request(data=["a"]) | {"outputs": [{}]}, r"outputs\[0\].name"),
    ],
)
def test_json_of_another_form_is_invalid_and_the_field_is_named(body: Any, words: str) -> None:
    refuse(body, Invalid, words)


def test_outputs_lie_behind_the_json_in_their_order() -> None:
    head = InferResponse(model_name="m", model_version="1", id="42", parameters={}, outputs=[])
    first, second = np.array([7]), np.array([0.5, 0.25])
    tensors = [Tensor("a", "INT64", first), Tensor("b", "FP32", second), Tensor("c", "FP64", second)]
    body, length = write_message(head, list(zip(tensors, [True, False, True], strict=True)))
    assert body[length:] == first.astype("<i8").tobytes() + second.astype("<f8").tobytes()
    assert json.loads(body[:length]) == {
        "model_name": "m",
        "model_version": "1",
        "id": "42",
        "parameters": {},
        "outputs": [
            {"name": "a", "datatype": "INT64", "shape": [1], "parameters": {"binary_data_size": 8}},
            {"name": "b", "datatype": "FP32", "shape": [2], "data": [0.5, 0.25]},
            {"name": "c", "datatype": "FP64", "shape": [2], "parameters": {"binary_data_size": 16}},
        ],
    }


def test_an_answer_without_binary_data_is_json_alone_and_a_missing_id_stays_missing() -> None:
    head = InferResponse(model_name="m", model_version="1", parameters={}, outputs=[])
    body, length = write_message(head, [(Tensor("a", "INT64", np.array([7])), False)])
    assert length is None
    assert "id" not in json.loads(body)


ATOMS = st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["image", "FP32", "BYTES", "UINT8"])
IMAGE = st.fixed_dictionaries(
    {"name": st.just("image"), "datatype": st.sampled_from(["FP32", "UINT8", "BYTES", "INT64"])},
    optional={
        "shape": st.lists(st.integers(-1, 3), max_size=5) | ATOMS,
        "data": st.recursive(ATOMS, lambda children: st.lists(children, max_size=4), max_leaves=20),
        "parameters": st.dictionaries(st.sampled_from(["binary_data_size", "binary_data"]), ATOMS),
    },
)


@settings(deadline=None)
@given(image=IMAGE, tail=st.binary(max_size=20), slip=st.integers(-2, 2) | st.none())
def test_whatever_comes_is_images_or_an_error_that_is_explained(image: Any, tail: bytes, slip: int | None) -> None:
    text = json.dumps({"inputs": [image]}).encode()
    length = None if slip is None else max(0, len(text) + slip)
    try:
        message = read_message(text + tail, json_length=length)
        found = read_image_tensor(message.image, message.source, shape=(1, 1, 2), max_images=2)
    except (Malformed, Invalid, TooLarge):
        return
    assert len(found.encoded or found.ready) == message.image.shape[0]
