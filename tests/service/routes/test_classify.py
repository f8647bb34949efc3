import base64
import io
import json
from pathlib import Path

import httpx
import numpy as np
import pytest
import torch
from PIL import Image

from eabs.certificates.exact_inference import certify_exact_inference
from eabs.inference import LatentInference
from eabs.settings import EFFORTS, PAPER_SETTINGS, InferenceSettings
from model_store import ModelStore, prepare_inference
from tests.service.api import expect_problem, gauge, post_form, post_png, result
from tests.service.pictures import png, random_pixels, random_png


@pytest.fixture(scope="module")
def inference(store_root: Path) -> LatentInference:
    return prepare_inference(ModelStore(store_root).load("mnist"), cache=None)


@pytest.mark.parametrize(
    ("query", "asked"),
    [({"effort": "standard"}, EFFORTS["standard"]), ({}, EFFORTS["fast"]), ({"solver": "adam"}, PAPER_SETTINGS)],
    ids=["of an effort", "of the model's effort", "of the paper"],
)
def test_the_answer_is_that_of_latent_inference(
    client: httpx.Client, inference: LatentInference, query: dict[str, str], asked: InferenceSettings
) -> None:
    pixels = random_pixels(100)
    answer = result(post_png(client, "/classify", png(pixels), **query))
    expected = inference.infer(torch.from_numpy(pixels[None, None] / np.float32(255)), asked)
    scores = expected.scores[0]
    assert answer["prediction"]["index"] == int(scores.argmin())
    by_class = answer["classes"]
    np.testing.assert_allclose([-entry["log_likelihood"] for entry in by_class], scores, rtol=1e-3, atol=2e-2)
    np.testing.assert_allclose(
        [entry["reconstruction_distance"] for entry in by_class], expected.distances[0], rtol=1e-3, atol=2e-2
    )
    np.testing.assert_allclose([entry["posterior"] for entry in by_class], (-scores / 2).softmax(0), atol=1e-2)
    assert [entry["upper_bound"] for entry in by_class] == expected.upper_bounds[0].tolist()
    assert [entry["label"] for entry in by_class] == [f"class {index}" for index in range(10)]


def test_the_envelope_is_complete(client: httpx.Client) -> None:
    body = post_png(client, "/classify", random_png(101)).json()
    assert set(body) == {"request_id", "model", "results", "timing_ms"}
    assert body["model"]["name"] == "mnist"
    assert body["model"]["version"] == "1"
    assert body["model"]["digest"].startswith("sha256:")
    assert set(body["timing_ms"]) == {"decode", "queue", "inference"}
    (only,) = body["results"]
    assert set(only) == {
        "image_id",
        "classifier",
        "prediction",
        "typicality",
        "out_of_distribution",
        "classes",
        "certificate",
        "preprocessing",
        "cached",
    }
    assert 0 < only["typicality"] <= 1
    assert only["certificate"] is None
    assert only["preprocessing"] == {"resized_from": None, "converted_from": None}


def test_a_form_a_raw_body_and_json_say_the_same(client: httpx.Client) -> None:
    pixels = random_pixels(102)
    data = png(pixels)
    images = [
        {"data": base64.b64encode(data).decode()},
        {"pixels": pixels.tolist(), "scale": 255},
        {"pixels": (pixels[None].astype(np.float32) / 255).astype(float).tolist()},
    ]
    answers = [post_png(client, "/classify", data), post_form(client, "/classify", data)]
    answers.append(client.post("/classify", json={"images": images}))
    results = [entry for answer in answers for entry in answer.json()["results"]]
    assert len(results) == 5
    assert len({entry["image_id"] for entry in results}) == 1
    assert len({json.dumps(entry["classes"]) for entry in results}) == 1


def test_results_come_in_the_order_of_their_images(client: httpx.Client) -> None:
    files = [random_png(seed) for seed in range(110, 130)]
    together = post_form(client, "/classify", *files).json()["results"]
    alone = [result(post_png(client, "/classify", file)) for file in files]
    assert [entry["image_id"] for entry in together] == [entry["image_id"] for entry in alone]


def test_an_image_seen_before_is_answered_from_the_cache(client: httpx.Client) -> None:
    first, second = (result(post_png(client, "/classify", random_png(103))) for _ in range(2))
    assert (first.pop("cached"), second.pop("cached")) == (False, True)
    assert first == second


def test_equal_images_in_one_request_are_inferred_once(client: httpx.Client) -> None:
    before = gauge(client, "eabs_queue_wait_seconds_count")
    results = post_form(client, "/classify", *[random_png(104)] * 5).json()["results"]
    assert len(results) == 5
    assert gauge(client, "eabs_queue_wait_seconds_count") == before + 1


def test_a_certificate_comes_with_the_answer(client: httpx.Client, inference: LatentInference) -> None:
    pixels = random_pixels(105)
    answer = result(post_png(client, "/classify", png(pixels), certificate="exact-inference"))
    expected = certify_exact_inference(inference, torch.from_numpy(pixels[None, None] / np.float32(255)))
    certificate = answer["certificate"]
    assert (certificate["kind"], certificate["norm"]) == ("exact-inference", "l2")
    assert certificate["sound"] is False
    assert certificate["confidence"] is None
    assert certificate["assumption"] == "the latent optimum was found"
    if answer["prediction"]["index"] == int(expected.predictions[0]):
        assert certificate["radius"] == pytest.approx(float(expected.radii[0]), abs=1e-3)
    else:
        assert certificate["radius"] == 0


def test_the_finite_bank_serves_its_own_prediction_and_certifies_it(client: httpx.Client) -> None:
    query = {"classifier": "finite-bank", "certificate": "finite-bank", "explain": "true"}
    answer = result(post_png(client, "/classify", random_png(107), **query))
    certified = result(post_png(client, "/certify", random_png(107), method="finite-bank", classifier="finite-bank"))
    assert answer["classifier"] == answer["certificate"]["classifier"] == "finite-bank"
    assert answer["prediction"] == certified["prediction"]
    assert answer["certificate"] == certified["certificate"]
    assert answer["certificate"]["radius"] > 0
    nearest = min(answer["classes"], key=lambda entry: entry["reconstruction_distance"])
    assert nearest["index"] == answer["prediction"]["index"]
    assert all(entry["reconstruction"] for entry in answer["classes"])


def test_smoothing_can_be_set_where_it_is_asked_for(client: httpx.Client) -> None:
    query = {"classifier": "finite-bank", "certificate": "smoothing", "n": "200", "sigma": "0.05", "alpha": "0.01"}
    certificate = result(post_png(client, "/classify", random_png(107), **query))["certificate"]
    assert certificate["confidence"] == 0.99
    again = result(post_png(client, "/classify", random_png(107), **query, seed=str(certificate["seed"])))
    assert again["certificate"] == certificate


def test_an_explanation_shows_every_class(client: httpx.Client) -> None:
    classes = result(post_png(client, "/classify", random_png(106), explain="true"))["classes"]
    pictures = [Image.open(io.BytesIO(base64.b64decode(entry["reconstruction"]))) for entry in classes]
    assert [(picture.format, picture.mode, picture.size) for picture in pictures] == [("PNG", "L", (28, 28))] * 10


def test_an_explained_answer_is_the_same_but_for_its_pictures(client: httpx.Client) -> None:
    explained, plain = (
        result(post_png(client, "/classify", random_png(106), explain=explain)) for explain in ("true", "false")
    )
    assert explained["prediction"] == plain["prediction"]
    assert {entry["index"]: entry["upper_bound"] for entry in explained["classes"]} == {
        entry["index"]: entry["upper_bound"] for entry in plain["classes"]
    }


def test_without_an_explanation_there_are_no_pictures(client: httpx.Client) -> None:
    classes = result(post_png(client, "/classify", random_png(106)))["classes"]
    assert all("reconstruction" not in entry for entry in classes)


def test_a_colour_model_takes_colour_images_of_any_size(client: httpx.Client) -> None:
    data = random_png(107, (50, 40, 4))
    answer = result(post_png(client, "/classify", data, model="colour", explain="true"))
    assert answer["preprocessing"] == {"resized_from": [50, 40], "converted_from": "RGBA"}
    picture = Image.open(io.BytesIO(base64.b64decode(answer["classes"][0]["reconstruction"])))
    assert (picture.mode, picture.size) == ("RGB", (32, 32))


@pytest.mark.parametrize("version", ["1", "production"])
def test_a_version_may_be_named_by_its_alias(client: httpx.Client, version: str) -> None:
    answer = post_png(client, "/classify", random_png(108), model="mnist", version=version)
    assert answer.json()["model"]["version"] == "1"


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"effort": "heroic"}, ["query.effort", "'fast', 'standard' or 'thorough'", "'heroic'"]),
        ({"classifier": "magic"}, ["query.classifier", "'latent' or 'finite-bank'", "'magic'"]),
        ({"certificate": "magic"}, ["query.certificate", "'exact-inference', 'finite-bank'", "'magic'"]),
        ({"classifier": "finite-bank", "effort": "fast"}, ["expected neither with the classifier finite-bank"]),
        ({"bracket": "true"}, ["bracket: expected only with a certificate, got it with none"]),
        ({"certificate": "finite-bank", "n": "500"}, ["n: expected only with smoothing, got it with finite-bank"]),
        ({"model": "colour", "classifier": "finite-bank"}, ["a model with a prototype bank, got colour 1"]),
        ({"explain": "maybe"}, ["query.explain", "'maybe'"]),
        ({"solver": "newton"}, ["query.solver", "'quasi-newton' or 'adam'", "'newton'"]),
        ({"solver": "adam", "effort": "fast"}, ["effort: expected none with the solver 'adam'", "got 'fast'"]),
        ({"efort": "fast"}, ["effort", "'efort'"]),
    ],
)
def test_a_wrong_parameter_is_named_with_what_is_available(
    client: httpx.Client, query: dict[str, str], words: list[str]
) -> None:
    expect_problem(post_png(client, "/classify", random_png(), **query), 422, *words)


@pytest.mark.parametrize("query", [{"model": "nope"}, {"version": "7"}, {"model": "colour", "version": "production"}])
def test_a_model_that_is_not_served_is_not_found(client: httpx.Client, query: dict[str, str]) -> None:
    expect_problem(post_png(client, "/classify", random_png(), **query), 404, "expected", "got")
