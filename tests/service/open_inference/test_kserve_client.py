"""KServe's client, unchanged, against a real server."""

import asyncio
import base64
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import httpx
import numpy as np
import pytest
from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig
from kserve.protocol.infer_type import RequestedOutput

from tests.service.api import post_png, result
from tests.service.pictures import png, random_pixels
from tests.service.running_server import RunningServer

T = TypeVar("T")
PIXELS = random_pixels(510, (1, 1, 28, 28))
FILE = png(PIXELS[0, 0])


def with_client(work: Callable[[InferenceRESTClient], Awaitable[T]]) -> T:
    async def run() -> T:
        async with InferenceRESTClient(RESTConfig(protocol="v2")) as client:
            return await work(client)

    return asyncio.run(run())


def request(datatype: str, values: Any, *, binary: bool, **fields: Any) -> InferRequest:
    image = InferInput("image", list(values.shape), datatype)
    image.set_data_from_numpy(values, binary_data=binary)
    return InferRequest("mnist", [image], **fields)


def test_the_server_lives_and_is_ready(server: RunningServer) -> None:
    async def ask(client: InferenceRESTClient) -> list[bool]:
        return [
            await client.is_server_live(server.url),
            await client.is_server_ready(server.url),
            await client.is_model_ready(server.url, "mnist"),
            await client.is_model_ready(server.url, "nope"),
        ]

    assert with_client(ask) == [True, True, True, False]


@pytest.mark.parametrize("binary", [True, False], ids=["binary", "json"])
@pytest.mark.parametrize(
    ("datatype", "values"),
    [("FP32", PIXELS / np.float32(255)), ("UINT8", PIXELS), ("BYTES", np.array([FILE], np.object_))],
    ids=["FP32", "UINT8", "BYTES"],
)
def test_the_answers_are_those_of_classify_bit_for_bit(
    server: RunningServer, client: httpx.Client, datatype: str, values: Any, *, binary: bool
) -> None:
    if datatype == "BYTES" and not binary:
        values = np.array([base64.b64encode(FILE)], np.object_)
    outputs = [RequestedOutput(name, {"binary_data": binary}) for name in ("prediction", "log_likelihood", "radius")]
    parameters = {"classifier": "finite-bank"}
    sent = request(datatype, values, binary=binary, request_id="42", request_outputs=outputs, parameters=parameters)
    found = with_client(lambda kserve: kserve.infer(server.url, sent, model_name="mnist"))
    expected = result(post_png(client, "/classify", FILE, classifier="finite-bank", certificate="finite-bank"))
    prediction, scores, radius = (output.as_numpy() for output in found.outputs)
    assert (found.id, found.model_name) == ("42", "mnist")
    assert prediction.tolist() == [expected["prediction"]["index"]]
    assert radius.tolist() == [expected["certificate"]["radius"]]
    np.testing.assert_array_equal(
        scores[0], np.array([entry["log_likelihood"] for entry in expected["classes"]], np.float32)
    )


def test_without_outputs_all_come(server: RunningServer) -> None:
    sent = request("UINT8", PIXELS, binary=True)
    found = with_client(lambda kserve: kserve.infer(server.url, sent, model_name="mnist"))
    assert [output.name for output in found.outputs] == ["prediction", "label", "log_likelihood", "radius"]


def test_the_server_s_errors_become_the_client_s(server: RunningServer) -> None:
    sent = request("UINT8", PIXELS[0], binary=True)
    with pytest.raises(httpx.HTTPStatusError, match=r"image: expected shape \[B, 1, 28, 28\].*'422"):
        with_client(lambda kserve: kserve.infer(server.url, sent, model_name="mnist"))
