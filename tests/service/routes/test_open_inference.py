import gzip
import json
from typing import Any

import httpx
import numpy as np
import pytest

from service.app import create_app
from service.settings import Settings
from tests.service.api import expect_it_still_classifies, gauge, post_png
from tests.service.pictures import animated, huge_png, png, random_pixels, random_png
from tests.service.running_server import RunningServer
from tests.service.test_app import ask

INFER = "/v2/models/mnist/infer"
LENGTH = "Inference-Header-Content-Length"
PIXELS = random_pixels(520)


def body(**fields: Any) -> dict[str, Any]:
    image = {"name": "image", "datatype": "UINT8", "shape": [1, 1, 28, 28], "data": PIXELS.ravel().tolist()}
    return {"inputs": [image], "outputs": [{"name": "prediction"}], **fields}


def expect_error(answer: httpx.Response, status: int, *words: str) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-request-id"]
    assert set(answer.json()) == {"error"}
    for word in words:
        assert word in answer.json()["error"]


def post_binary(client: httpx.Client, data: bytes, datatype: str, shape: list[int], **headers: str) -> httpx.Response:
    image = {"name": "image", "datatype": datatype, "shape": shape, "parameters": {"binary_data_size": len(data)}}
    text = json.dumps({"inputs": [image]}).encode()
    return client.post(INFER, content=text + data, headers={LENGTH: str(len(text)), **headers})


def counted(client: httpx.Client) -> float:
    lines = client.get("/metrics").text.splitlines()
    names = ("eabs_images_classified_total{", "eabs_predictions_total{")
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(names) and '"mnist"' in line)


def test_the_server_describes_itself_with_and_without_a_slash(client: httpx.Client) -> None:
    assert client.get("/v2").json() == client.get("/v2/").json()
    assert client.get("/v2/health/live").json() == {"live": True}
    assert client.get("/v2/health/ready").json() == {"live": True, "ready": True}
    assert client.get("/v2/models/mnist/versions/1/ready").json() == {"name": "mnist", "ready": True}


def test_a_json_answer_is_what_the_protocol_says(client: httpx.Client) -> None:
    answer = client.post(INFER, json=body(id="42"))
    prediction = post_png(client, "/classify", png(PIXELS)).json()["results"][0]["prediction"]["index"]
    assert answer.headers["content-type"] == "application/json"
    assert LENGTH not in answer.headers
    assert answer.json() == {
        "model_name": "mnist",
        "model_version": "1",
        "id": "42",
        "parameters": {"classifier": "latent"},
        "outputs": [{"name": "prediction", "datatype": "INT64", "shape": [1], "data": [prediction]}],
    }


def test_an_image_counts_as_it_does_in_classify(client: httpx.Client) -> None:
    before = counted(client)
    post_png(client, "/classify", random_png(521))
    native = counted(client) - before
    client.post(INFER, json=body())
    assert counted(client) - before == 2 * native == 4


def test_an_image_from_either_protocol_is_found_in_the_cache_by_the_other(client: httpx.Client) -> None:
    pixels = random_pixels(522)
    assert post_binary(client, png(pixels), "UINT8", [1]).status_code == 422
    before = gauge(client, "eabs_queue_wait_seconds_count")
    post_png(client, "/classify", png(pixels), classifier="finite-bank")
    image = {"name": "image", "datatype": "UINT8", "shape": [1, 1, 28, 28], "data": pixels.tolist()}
    client.post(INFER, json=body(inputs=[image], parameters={"classifier": "finite-bank"}))
    assert gauge(client, "eabs_queue_wait_seconds_count") == before + 1


def test_a_smoothed_radius_comes_with_what_repeats_it(client: httpx.Client) -> None:
    asked = {"classifier": "finite-bank", "certificate": "smoothing", "n": 200, "sigma": 0.05, "alpha": 0.01}
    sent = body(outputs=[{"name": "radius"}])
    first = client.post(INFER, json=sent | {"parameters": asked}).json()
    parameters = first["parameters"]
    assert parameters == {
        "classifier": "finite-bank",
        "certificate": "smoothing",
        "certified_classifier": "smoothed finite-bank",
        "sound": True,
        "confidence": 0.99,
        "seed": parameters["seed"],
    }
    again = client.post(INFER, json=sent | {"parameters": asked | {"seed": parameters["seed"]}}).json()
    assert again["outputs"] == first["outputs"]


def test_outputs_follow_the_request_s_wish_for_binary_data_unless_they_have_their_own(client: httpx.Client) -> None:
    outputs = [{"name": "prediction"}, {"name": "label", "parameters": {"binary_data": False}}]
    answer = client.post(INFER, json=body(outputs=outputs, parameters={"binary_data_output": True}))
    length = int(answer.headers[LENGTH])
    assert answer.headers["content-type"] == "application/octet-stream"
    prediction, label = json.loads(answer.content[:length])["outputs"]
    assert prediction["parameters"] == {"binary_data_size": 8}
    assert label["data"] == [f"class {int.from_bytes(answer.content[length:], 'little')}"]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"parameters": {"efort": "fast"}}, ["parameters: expected any of classifier, effort", "'efort'"]),
        ({"parameters": {"effort": "heroic"}}, ["parameters: effort", "'fast', 'standard' or 'thorough'", "'heroic'"]),
        ({"parameters": {"classifier": "finite-bank", "effort": "fast"}}, ["expected neither with the classifier"]),
        ({"parameters": {"certificate": "finite-bank"}}, ["expected only with the output radius, got 'finite-bank'"]),
        ({"parameters": {"n": 500}}, ["n: expected only with a certificate"]),
        ({"parameters": {"explain": True}}, ["got 'explain'"]),
        ({"parameters": {"model": "colour"}}, ["got 'model'"]),
        ({"parameters": {"binary_data_output": 1}}, ["binary_data_output: expected true or false, got '1'"]),
        ({"parameters": {"timeout": 0}}, ["timeout: expected 1 to 10^12 microseconds, got '0'"]),
        ({"parameters": {"timeout": True}}, ["got 'True'"]),
        (
            {"outputs": [{"name": "radius"}], "parameters": {"certificate": "none"}},
            ["radius: expected a certificate of exact-inference, finite-bank, smoothing, got none"],
        ),
        ({"outputs": [{"name": "radius"}], "parameters": {"n": 500}}, ["n: expected only with smoothing"]),
        (
            {"outputs": [{"name": "logits"}]},
            ["expected one of prediction, label, log_likelihood, radius, got 'logits'"],
        ),
        ({"outputs": [{"name": "label"}] * 2}, ["expected each once, got 'label' again"]),
        (
            {"outputs": [{"name": "log_likelihood", "parameters": {"classification": 11}}]},
            ["expected at most 10 classes, of the output log_likelihood, got 11 of log_likelihood"],
        ),
        ({"outputs": [{"name": "prediction", "parameters": {"classification": 1}}]}, ["got 1 of prediction"]),
        ({"model_name": "colour"}, ["model_name: expected 'mnist' as in the path, got 'colour'"]),
    ],
)
def test_what_cannot_be_asked_is_named(client: httpx.Client, fields: dict[str, Any], words: list[str]) -> None:
    expect_error(client.post(INFER, json=body(**fields)), 422, *words)


def test_a_model_without_a_bank_needs_to_be_told_how_to_certify(client: httpx.Client) -> None:
    image = {"name": "image", "datatype": "UINT8", "shape": [1, 3, 32, 32], "data": [0] * 3072}
    sent = {"inputs": [image], "outputs": [{"name": "radius"}]}
    answer = client.post("/v2/models/colour/infer", json=sent)
    expect_error(answer, 422, "radius: expected a certificate of exact-inference, smoothing, got none")
    answer = client.post("/v2/models/colour/infer", json=sent | {"parameters": {"certificate": "finite-bank"}})
    expect_error(answer, 422, "a model with a prototype bank, got colour 1")


def test_bad_requests_are_refused_with_their_reason_and_harm_nobody(client: httpx.Client) -> None:
    white = np.ones((1, 1, 28, 28), "<f4")
    expect_error(
        post_binary(client, (white * np.nan).tobytes(), "FP32", [1, 1, 28, 28]), 422, "got nan at [0, 0, 0, 0]"
    )
    expect_error(post_binary(client, white.tobytes()[:-1], "FP32", [1, 1, 28, 28]), 422, "expected 3136 bytes")
    expect_error(post_binary(client, bytes(65), "UINT8", [65, 1, 28, 28]), 413, "at most 64 images")
    expect_error(post_binary(client, b"\x01\x00", "BYTES", [1]), 400, "the 4 bytes of an element's length")
    for file, status, words in [
        (b"text", 415, "expected PNG, JPEG or WebP"),
        (huge_png(), 413, "at most 4000000 pixels"),
        (animated("WEBP"), 415, "an animation"),
        (random_png(shape=(64, 64))[:100], 400, "a complete PNG"),
    ]:
        expect_error(post_binary(client, len(file).to_bytes(4, "little") + file, "BYTES", [1]), status, words)
    for headers, status, words in [
        ({LENGTH: "3"}, 400, "at most the body's 2 bytes, got 3"),
        ({LENGTH: "-1"}, 422, LENGTH),
        ({LENGTH: "many"}, 422, LENGTH),
        ({"Content-Type": "text/plain"}, 415, "expected one of application/json, application/octet-stream, none"),
        ({"Content-Encoding": "br"}, 415, "expected none, gzip, deflate, got 'br'"),
        ({"Content-Encoding": "gzip"}, 400, "expected gzip"),
    ]:
        expect_error(client.post(INFER, content=b"{}", headers=headers), status, words)
    bomb = gzip.compress(bytes(32 * 1024 * 1024))
    expect_error(client.post(INFER, content=bomb, headers={"Content-Encoding": "gzip"}), 413, "bytes unpacked")
    expect_error(client.post(INFER, content=bytes(17 * 1024 * 1024)), 413, "at most 16777216 bytes")
    expect_error(client.post(INFER, content=b""), 400, "0 bytes")
    expect_error(client.post(INFER, json=body(), params={"effort": "fast"}), 422, "effort")
    expect_error(client.get(INFER), 405, "expected POST")
    expect_error(client.post("/v2/models/mnist/versions/7/infer", json=body()), 404, "got '7'")
    expect_error(client.post("/v2/repository/models/nope/unload"), 403, "admin")
    expect_it_still_classifies(client)


def test_what_is_not_answered_in_time_is_told(client: httpx.Client) -> None:
    thorough = body(parameters={"effort": "thorough"})
    expect_error(client.post(INFER, json=thorough, headers={"X-Request-Timeout-Ms": "1"}), 504, "within 0.001 s")
    expect_error(client.post(INFER, json=thorough, headers={"X-Request-Timeout-Ms": "soon"}), 422, "Timeout")


def test_a_starting_server_lives_but_takes_no_work(settings: Settings) -> None:
    app = create_app(settings)
    assert ask(app, "GET", "/v2/health/live").status_code == 200
    for method, path in [("GET", "/v2/health/ready"), ("GET", "/v2/models/mnist"), ("POST", INFER)]:
        answer = ask(app, method, path)
        expect_error(answer, 503, "loading")
        assert int(answer.headers["retry-after"]) > 0


def test_a_server_whose_memory_is_full_says_when_to_come_back(server: RunningServer, client: httpx.Client) -> None:
    budget, limit = server.app.state.runtime.body_budget, server.settings.max_buffered_bytes
    for free, encoding, content in [(1000, "identity", bytes(2000)), (16 * 1024 * 1024, "gzip", gzip.compress(b"{}"))]:
        with budget.share() as resize:
            resize(limit - free)
            answer = client.post(INFER, content=content, headers={"Content-Encoding": encoding})
        expect_error(answer, 429, "in all requests")
        assert int(answer.headers["retry-after"]) > 0
    assert budget.held == 0


def test_the_openapi_document_is_complete(client: httpx.Client) -> None:
    document = client.get("/openapi.json").json()
    paths = {path: methods for path, methods in document["paths"].items() if path.startswith("/v2")}
    assert {"/v2", "/v2/models/{name}/infer", "/v2/models/{name}/versions/{version}/infer"} <= paths.keys()
    for methods in paths.values():
        for operation in methods.values():
            errors = {status: answer for status, answer in operation["responses"].items() if int(status) >= 400}
            assert {answer["description"] for answer in errors.values()}.isdisjoint({"Validation Error"})
            for answer in errors.values():
                assert answer["content"]["application/json"]["schema"]["title"] == "OpenInferenceError"
    infer = paths["/v2/models/{name}/infer"]["post"]
    assert infer["responses"].keys() == {
        *("200", "400", "401", "403", "404", "413", "415", "422", "429", "500", "503", "504")
    }
    assert infer["responses"]["200"]["content"].keys() == {"application/json", "application/octet-stream"}
    example = infer["requestBody"]["content"]["application/json"]["example"]
    assert client.post(INFER, json=example).json()["id"] == example["id"]


def test_every_reference_of_the_openapi_document_leads_somewhere(client: httpx.Client) -> None:
    document = client.get("/openapi.json").json()

    def check(node: object) -> None:
        for child in node if isinstance(node, list) else node.values() if isinstance(node, dict) else ():
            check(child)
        if isinstance(node, dict) and isinstance(node.get("$ref"), str):
            prefix, _, name = node["$ref"].rpartition("/")
            assert prefix == "#/components/schemas", node["$ref"]
            assert name in document["components"]["schemas"]

    check(document)
