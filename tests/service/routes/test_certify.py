import base64

import httpx
import pytest

from eabs.certificates.exact_inference import EXACT_INFERENCE
from tests.service.api import expect_problem, post_form, post_png, result
from tests.service.pictures import random_png


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def test_the_answer_holds_what_is_needed_to_judge_and_repeat_it(client: httpx.Client) -> None:
    answer = result(post_png(client, "/certify", random_png(200)))
    assert set(answer) == {
        "image_id",
        "prediction",
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
        ({"image_id": "a", "method": "smoothing"}, 422, ["query.method", "'exact-inference'", "'smoothing'"]),
        ({"image_id": "a", "sigma": "0.5"}, 422, ["image_id", "'sigma'"]),
        ({"image_id": "a", "model": "nope"}, 404, ["mnist", "'nope'"]),
    ],
)
def test_a_question_that_cannot_be_answered_is_refused(
    client: httpx.Client, query: dict[str, str], status: int, words: list[str]
) -> None:
    expect_problem(client.get("/certify", params=query), status, *words)
