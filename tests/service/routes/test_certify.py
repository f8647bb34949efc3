import base64
from pathlib import Path

import httpx
import numpy as np
import pytest
import torch

from eabs.certificates.exact_inference import EXACT_INFERENCE
from eabs.certificates.finite_bank import certify_finite_bank
from model_store import ModelStore, prepare_inference
from service.jobs import Classifiers
from tests.service.api import expect_problem, post_form, post_png, result
from tests.service.pictures import png, random_pixels, random_png


@pytest.fixture(scope="module")
def classifiers(store_root: Path) -> Classifiers:
    loaded = ModelStore(store_root).load("mnist")
    return Classifiers(prepare_inference(loaded, cache=None), loaded.prototypes)


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def test_the_answer_holds_what_is_needed_to_judge_and_repeat_it(client: httpx.Client) -> None:
    answer = result(post_png(client, "/certify", random_png(200)))
    assert set(answer) == {
        "image_id",
        "prediction",
        "served_classifier",
        "served_prediction",
        "certificate",
        "rivals",
        "settings",
        "preprocessing",
        "cached",
    }
    certificate = answer["certificate"]
    assert certificate["kind"] == "exact-inference"
    assert certificate["sound"] is False
    assert certificate["radius"] >= 0
    assert answer["settings"] == {
        "kind": "exact-inference",
        "solver": "quasi-newton",
        "steps": EXACT_INFERENCE.steps,
        "starts": EXACT_INFERENCE.starts,
        "tolerance": EXACT_INFERENCE.tolerance,
        "candidates": 64,
        "seed": 0,
    }


def test_every_other_class_is_a_rival_the_nearest_first(client: httpx.Client) -> None:
    answer = result(post_png(client, "/certify", random_png(200)))
    bounds = [rival["bound"] for rival in answer["rivals"]]
    assert bounds == sorted(bounds)
    assert {rival["index"] for rival in answer["rivals"]} == set(range(10)) - {answer["prediction"]["index"]}


def test_the_radius_is_the_nearest_rivals_bound_or_zero_with_a_reason(client: httpx.Client) -> None:
    for answer in post_form(client, "/certify", random_png(200), random_png(201)).json()["results"]:
        certificate, agrees = answer["certificate"], answer["prediction"] == answer["served_prediction"]
        if agrees and answer["rivals"][0]["bound"] > 0:
            assert certificate["radius"] == pytest.approx(answer["rivals"][0]["bound"])
            assert certificate["reason"] is None
        else:
            assert certificate["radius"] == 0
            assert certificate["reason"]


@pytest.mark.parametrize(
    "query",
    [
        {"method": "exact-inference"},
        {"method": "finite-bank", "classifier": "finite-bank", "bracket": "true"},
        {"method": "smoothing", "classifier": "finite-bank", "sigma": "0.1", "n": "200", "seed": "4"},
    ],
    ids=lambda query: query["method"],
)
def test_every_certificate_is_the_same_by_body_by_id_and_in_the_query(
    client: httpx.Client, query: dict[str, str]
) -> None:
    by_body = result(post_png(client, "/certify", random_png(208), **query))
    by_id = result(client.get("/certify", params=query | {"image_id": by_body["image_id"]}))
    in_query = result(client.get("/certify", params=query | {"image": base64url(random_png(208))}))
    for answer in (by_id, in_query):
        for part in ("image_id", "prediction", "certificate", "rivals"):
            assert answer[part] == by_body[part]


def test_an_image_classified_before_can_be_certified_by_its_id(client: httpx.Client) -> None:
    image_id = result(post_png(client, "/classify", random_png(200)))["image_id"]
    by_id = result(client.get("/certify", params={"image_id": image_id}))
    by_body = result(post_png(client, "/certify", random_png(200)))
    assert by_id["image_id"] == image_id
    assert by_id["rivals"] == by_body["rivals"]


def test_a_small_image_fits_into_the_query(client: httpx.Client) -> None:
    in_query = result(client.get("/certify", params={"image": base64url(random_png(200))}))
    in_body = result(post_png(client, "/certify", random_png(200)))
    assert in_query["image_id"] == in_body["image_id"]


def test_the_served_prediction_is_that_of_classify(client: httpx.Client) -> None:
    certified = result(post_png(client, "/certify", random_png(201)))
    classified = result(post_png(client, "/classify", random_png(201)))
    assert certified["served_prediction"] == classified["prediction"]


def test_the_finite_bank_certifies_its_own_prediction(client: httpx.Client, classifiers: Classifiers) -> None:
    pixels = random_pixels(204)
    answer = result(post_png(client, "/certify", png(pixels), method="finite-bank", classifier="finite-bank"))
    expected = certify_finite_bank(classifiers.bank, torch.from_numpy(pixels[None, None] / np.float32(255)))
    assert answer["prediction"]["index"] == int(expected.predictions[0])
    assert answer["served_prediction"] == answer["prediction"]
    assert answer["served_classifier"] == "finite-bank"
    assert answer["certificate"] == {
        "kind": "finite-bank",
        "classifier": "finite-bank",
        "norm": "l2",
        "radius": float(expected.radii[0]),
        "sound": True,
        "confidence": None,
        "assumption": None,
        "reason": None,
        "attack_upper_bound": None,
        "seed": None,
    }
    assert answer["settings"] == {"kind": "finite-bank", "prototypes": 30}
    for rival in answer["rivals"]:
        assert rival["bound"] == float(expected.bounds[0, rival["index"]])


def test_a_certificate_of_another_prediction_than_the_served_one_is_0_and_says_so(client: httpx.Client) -> None:
    answers = [result(post_png(client, "/certify", random_png(seed), method="finite-bank")) for seed in range(204, 212)]
    differing = [answer for answer in answers if answer["prediction"] != answer["served_prediction"]]
    assert differing, "the random model and its random prototypes agree by chance on eight images"
    for answer in differing:
        assert answer["served_classifier"] == "latent"
        assert answer["certificate"]["radius"] == 0
        assert "but the served prediction is" in answer["certificate"]["reason"]


def test_smoothing_answers_with_all_that_is_needed_to_repeat_it(client: httpx.Client) -> None:
    query = {"method": "smoothing", "classifier": "finite-bank", "sigma": "0.05", "n": "500", "n0": "20"}
    first = result(post_png(client, "/certify", random_png(205), **query))
    settings = first["settings"]
    assert (settings["sigma"], settings["n0"], settings["n"], settings["alpha"]) == (0.05, 20, 500, 0.001)
    assert settings["estimated_ms"] > 0
    assert first["certificate"]["confidence"] == 0.999
    assert first["certificate"]["classifier"] == "smoothed finite-bank"
    again = result(post_png(client, "/certify", random_png(205), **query, seed=str(settings["seed"])))
    assert again["certificate"] == first["certificate"]
    assert again["settings"]["probability"] == settings["probability"]


def test_a_request_that_names_no_seed_gets_one_that_it_could_not_know(client: httpx.Client) -> None:
    query = {"method": "smoothing", "n": "100"}
    answers = [result(post_png(client, "/certify", random_png(205), **query)) for _ in range(3)]
    assert len({answer["settings"]["seed"] for answer in answers}) == 3


def test_a_model_without_prototypes_smooths_latent_inference(client: httpx.Client) -> None:
    query = {"model": "colour", "method": "smoothing", "n": "100", "n0": "10"}
    answer = result(post_png(client, "/certify", random_png(206), **query))
    assert answer["certificate"]["classifier"] == "smoothed latent"


def test_what_would_take_longer_than_a_request_may_is_refused_before_it_starts(client: httpx.Client) -> None:
    images = [random_png(seed) for seed in range(64)]
    response = post_form(client, "/certify", *images, model="colour", method="smoothing", n="100000")
    expect_problem(response, 422, "n: expected at most about", "64 images", "100000")


def test_a_bracket_holds_an_attack_above_the_radius(client: httpx.Client) -> None:
    query = {"method": "finite-bank", "classifier": "finite-bank"}
    plain = result(post_png(client, "/certify", random_png(207), **query))["certificate"]
    bracket = result(post_png(client, "/certify", random_png(207), **query, bracket="true"))["certificate"]
    assert plain["attack_upper_bound"] is None
    assert bracket["radius"] == plain["radius"] < bracket["attack_upper_bound"]


def test_an_unknown_image_is_not_found(client: httpx.Client) -> None:
    expect_problem(client.get("/certify", params={"image_id": "sha256:00"}), 404, "image_id")


def test_an_image_of_another_models_shape_is_refused(client: httpx.Client) -> None:
    image_id = result(post_png(client, "/classify", random_png(202), model="colour"))["image_id"]
    expect_problem(client.get("/certify", params={"image_id": image_id}), 422, "(1, 28, 28)", "(3, 32, 32)")


@pytest.mark.parametrize(
    ("query", "status", "words"),
    [
        ({}, 422, ["expected one of image_id and image, got none"]),
        ({"image_id": "a", "image": "b"}, 422, ["expected one of image_id and image, got both"]),
        ({"image": "*"}, 400, ["expected base64"]),
        ({"image": base64url(random_png(shape=(100, 100)))}, 413, ["at most 8192 bytes"]),
        ({"image": base64url(b"hello, I am a text")}, 415, ["expected PNG, JPEG or WebP"]),
        ({"image_id": "a", "method": "magic"}, 422, ["query.method", "'exact-inference'", "'magic'"]),
        ({"image_id": "a", "sigma": "0.5"}, 422, ["sigma: expected only with smoothing", "exact-inference"]),
        ({"image_id": "a", "method": "smoothing", "sigma": "0"}, 422, ["query.sigma", "0.01"]),
        ({"image_id": "a", "method": "smoothing", "n": "1000001"}, 422, ["query.n", "100000"]),
        ({"image_id": "a", "method": "smoothing", "alpha": "1"}, 422, ["query.alpha", "0.1"]),
        ({"image_id": "a", "model": "colour", "method": "finite-bank"}, 422, ["prototype bank", "colour 1"]),
        ({"image_id": "a", "model": "colour", "classifier": "finite-bank"}, 422, ["prototype bank", "colour 1"]),
        ({"image_id": "a", "model": "nope"}, 404, ["mnist", "'nope'"]),
    ],
)
def test_a_question_that_cannot_be_answered_is_refused(
    client: httpx.Client, query: dict[str, str], status: int, words: list[str]
) -> None:
    expect_problem(client.get("/certify", params=query), status, *words)
