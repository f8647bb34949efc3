"""NVIDIA Triton's client, unchanged, against a real server."""

import asyncio
import base64
import socket
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest
import tritonclient.http
import tritonclient.http.aio
from numpy.typing import NDArray
from tritonclient.http import InferInput, InferRequestedOutput
from tritonclient.utils import InferenceServerException

from tests.service.api import post_form
from tests.service.pictures import png, random_pixels
from tests.service.running_server import RunningServer

IMAGES = random_pixels(500, (2, 1, 28, 28))


@pytest.fixture
def triton(server: RunningServer) -> Iterator[tritonclient.http.InferenceServerClient]:
    with tritonclient.http.InferenceServerClient(server.url.removeprefix("http://")) as client:
        yield client


def as_input(values: NDArray[Any], datatype: str, *, binary: bool = True) -> InferInput:
    tensor = InferInput("image", list(values.shape), datatype)
    return tensor.set_data_from_numpy(values, binary_data=binary)


def image_input(datatype: str, *, binary: bool = True) -> InferInput:
    if datatype == "FP32":
        return as_input(IMAGES / np.float32(255), datatype, binary=binary)
    if datatype == "UINT8":
        return as_input(IMAGES, datatype, binary=binary)
    files = [png(image[0]) for image in IMAGES]
    sent = files if binary else [base64.b64encode(file) for file in files]
    return as_input(np.array(sent, np.object_), datatype, binary=binary)


def classified(client: httpx.Client, **query: str) -> list[dict[str, Any]]:
    answer = post_form(client, "/classify", *[png(image[0]) for image in IMAGES], **query)
    results: list[dict[str, Any]] = answer.json()["results"]
    return results


def test_importing_the_client_patches_nothing() -> None:
    assert not any(name.startswith("gevent") for name in (socket.socket.__module__, threading.Thread.__module__))


def test_the_server_and_its_models_say_what_they_are(triton: tritonclient.http.InferenceServerClient) -> None:
    assert triton.is_server_live()
    assert triton.is_server_ready()
    assert triton.is_model_ready("mnist")
    assert triton.is_model_ready("mnist", "production")
    assert not triton.is_model_ready("mnist", "7")
    assert not triton.is_model_ready("nope")
    server = triton.get_server_metadata()
    assert server["name"] == "eabs-server"
    assert "binary_tensor_data" in server["extensions"]
    model = triton.get_model_metadata("colour", "1")
    assert (model["name"], model["versions"]) == ("colour", ["1"])
    assert model["inputs"] == [{"name": "image", "datatype": "FP32", "shape": [-1, 3, 32, 32]}]
    assert model["outputs"] == [
        {"name": "prediction", "datatype": "INT64", "shape": [-1]},
        {"name": "label", "datatype": "BYTES", "shape": [-1]},
        {"name": "log_likelihood", "datatype": "FP32", "shape": [-1, 10]},
        {"name": "radius", "datatype": "FP64", "shape": [-1]},
    ]


@pytest.mark.parametrize("datatype", ["FP32", "UINT8", "BYTES"])
@pytest.mark.parametrize("binary", [True, False], ids=["binary", "json"])
def test_the_answers_are_those_of_classify_bit_for_bit(
    triton: tritonclient.http.InferenceServerClient, client: httpx.Client, datatype: str, *, binary: bool
) -> None:
    names = ["radius", "prediction", "log_likelihood", "label"]
    outputs = [InferRequestedOutput(name, binary_data=binary) for name in names]
    found = triton.infer(
        "mnist",
        [image_input(datatype, binary=binary)],
        outputs=outputs,
        parameters={"classifier": "finite-bank"},
    )
    expected = classified(client, classifier="finite-bank", certificate="finite-bank")
    scores = [[entry["log_likelihood"] for entry in result["classes"]] for result in expected]
    assert [output["name"] for output in found.get_response()["outputs"]] == names
    assert found.as_numpy("prediction").tolist() == [result["prediction"]["index"] for result in expected]
    assert [str(label, "utf-8") if binary else label for label in found.as_numpy("label")] == [
        result["prediction"]["label"] for result in expected
    ]
    np.testing.assert_array_equal(found.as_numpy("log_likelihood"), np.array(scores, np.float32))
    radii = found.as_numpy("radius")
    assert radii.dtype == np.float64
    assert radii.tolist() == [result["certificate"]["radius"] for result in expected]
    assert radii.min() > 0


def test_without_outputs_all_come_and_the_radius_is_of_the_served_prediction(
    triton: tritonclient.http.InferenceServerClient, client: httpx.Client
) -> None:
    found = triton.infer("mnist", [image_input("UINT8")], model_version="1", request_id="42")
    answer = found.get_response()
    assert (answer["id"], answer["model_name"], answer["model_version"]) == ("42", "mnist", "1")
    assert [output["name"] for output in answer["outputs"]] == ["prediction", "label", "log_likelihood", "radius"]
    assert answer["parameters"] == {
        "classifier": "latent",
        "certificate": "finite-bank",
        "certified_classifier": "finite-bank",
        "sound": True,
    }
    expected = classified(client, certificate="finite-bank")
    assert found.as_numpy("radius").tolist() == [result["certificate"]["radius"] for result in expected]


def test_a_model_without_a_bank_certifies_nothing_unless_it_is_told_how(
    triton: tritonclient.http.InferenceServerClient,
) -> None:
    image = as_input(random_pixels(501, (1, 3, 32, 32)), "UINT8")
    found = triton.infer("colour", [image])
    assert found.get_response()["parameters"] == {"classifier": "latent", "certificate": "none"}
    assert found.as_numpy("radius").tolist() == [0]


def test_the_best_classes_can_be_asked_for_with_their_labels(
    triton: tritonclient.http.InferenceServerClient, client: httpx.Client
) -> None:
    output = InferRequestedOutput("log_likelihood", class_count=3)
    found = triton.infer("mnist", [image_input("UINT8")], outputs=[output]).as_numpy("log_likelihood")
    assert found.shape == (2, 3)
    for row, result in zip(found, classified(client), strict=True):
        best = sorted(result["classes"], key=lambda entry: -entry["log_likelihood"])[:3]
        parts = [str(element, "utf-8").split(":") for element in row]
        assert [(int(index), label) for _, index, label in parts] == [(c["index"], c["label"]) for c in best]
        assert [np.float32(value) for value, _, _ in parts] == [np.float32(c["log_likelihood"]) for c in best]


@pytest.mark.parametrize("algorithm", ["gzip", "deflate"])
def test_a_compressed_request_is_understood(triton: tritonclient.http.InferenceServerClient, algorithm: str) -> None:
    image, outputs = image_input("FP32"), [InferRequestedOutput("log_likelihood")]
    plain = triton.infer("mnist", [image], outputs=outputs).as_numpy("log_likelihood")
    packed = triton.infer(
        "mnist",
        [image],
        outputs=outputs,
        request_compression_algorithm=algorithm,
        response_compression_algorithm=algorithm,
    )
    np.testing.assert_array_equal(packed.as_numpy("log_likelihood"), plain)


def test_the_server_s_errors_become_the_client_s(triton: tritonclient.http.InferenceServerClient) -> None:
    image = image_input("UINT8")
    calls: list[tuple[str, str, Any]] = [
        ("404", "expected one of colour, mnist, got 'nope'", lambda: triton.infer("nope", [image])),
        ("404", "got '7'", lambda: triton.get_model_metadata("mnist", "7")),
        ("404", "Not Found", lambda: triton.get_model_config("mnist")),
        ("422", "expected shape [B, 3, 32, 32]", lambda: triton.infer("colour", [image])),
        ("422", "got 'priority'", lambda: triton.infer("mnist", [image], priority=1)),
        ("422", "'heroic'", lambda: triton.infer("mnist", [image], parameters={"effort": "heroic"})),
        ("504", "within 1e-06 s", lambda: triton.infer("mnist", [image], timeout=1)),
    ]
    for status, words, call in calls:
        with pytest.raises(InferenceServerException) as caught:
            call()
        assert caught.value.status() == status
        assert words in caught.value.message()


def test_the_asynchronous_client_works_too(server: RunningServer) -> None:
    async def ask() -> tuple[bool, Any]:
        async with tritonclient.http.aio.InferenceServerClient(server.url.removeprefix("http://")) as client:
            ready = await client.is_server_ready()
            return ready, await client.infer("mnist", [image_input("FP32")], request_id="7")

    ready, found = asyncio.run(ask())
    assert ready
    assert found.get_response()["id"] == "7"
    assert found.as_numpy("prediction").shape == (2,)
