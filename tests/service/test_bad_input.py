"""Whatever comes in, the server says what is wrong with it, and goes on."""

import base64
from collections.abc import Iterator

import httpx
import numpy as np
import pytest
from PIL import Image

from tests.service.api import expect_it_still_classifies, expect_problem, post_form, post_png, result
from tests.service.pictures import animated, cmyk_jpeg, encode, huge_png, random_pixels, random_png, sixteen_bit_png

TEXT = b"I am a text, whatever my name says."


@pytest.fixture(autouse=True)
def _still_classifies_afterwards(client: httpx.Client) -> Iterator[None]:
    yield
    expect_it_still_classifies(client)


def post_json(client: httpx.Client, body: bytes) -> httpx.Response:
    return client.post("/classify", content=body, headers={"Content-Type": "application/json"})


def test_a_text_named_png(client: httpx.Client) -> None:
    expect_problem(post_form(client, "/classify", TEXT), 415, "expected PNG, JPEG or WebP", "I am a")


def test_a_truncated_png(client: httpx.Client) -> None:
    data = random_png(shape=(64, 64))
    expect_problem(post_png(client, "/classify", data[: len(data) // 2]), 400, "expected a complete PNG", "truncated")


def test_a_png_of_a_few_kilobytes_that_declares_900_megapixels(client: httpx.Client) -> None:
    expect_problem(post_png(client, "/classify", huge_png()), 413, "at most 4000000 pixels", "30000 x 30000")


def test_an_animated_webp(client: httpx.Client) -> None:
    answer = client.post("/classify", content=animated("WEBP"), headers={"Content-Type": "image/webp"})
    expect_problem(answer, 415, "expected a still image", "an animation of 3 frames")


def test_a_png_of_16_bits_is_accepted_and_converted(client: httpx.Client) -> None:
    values = (random_pixels(300).astype(np.uint16)) * 257
    deep = result(post_png(client, "/classify", sixteen_bit_png(values)))
    assert deep["preprocessing"]["converted_from"] == "I;16"
    plain = result(post_png(client, "/classify", encode(Image.fromarray(random_pixels(300)))))
    assert deep["prediction"] == plain["prediction"]


def test_a_cmyk_jpeg_is_accepted_and_converted(client: httpx.Client) -> None:
    answer = client.post("/classify", content=cmyk_jpeg(), headers={"Content-Type": "image/jpeg"})
    assert result(answer)["preprocessing"]["converted_from"] == "CMYK"


def test_pixels_that_are_not_a_number(client: httpx.Client) -> None:
    row = b"[" + b"0," * 27 + b"NaN]"
    body = b'{"images": [{"pixels": [' + b",".join([row] * 28) + b"]}]}"
    expect_problem(post_json(client, body), 422, "expected numbers in [0, 1]", "got nan at position 27")


@pytest.mark.parametrize("value", [2, -1, 1e300, True, "0", None])
def test_pixels_out_of_range_or_of_another_type(client: httpx.Client, value: object) -> None:
    pixels: list[list[object]] = [[0.0] * 28 for _ in range(28)]
    pixels[3][4] = value
    expect_problem(client.post("/classify", json={"images": [{"pixels": pixels}]}), 422, "position 88")


def test_pixels_of_a_wrong_shape(client: httpx.Client) -> None:
    answer = client.post("/classify", json={"images": [{"pixels": [[0] * 27] * 28}]})
    expect_problem(answer, 422, "expected shape (1, 28, 28) or (28, 28), got (28, 27)")


def test_ragged_pixels(client: httpx.Client) -> None:
    answer = client.post("/classify", json={"images": [{"pixels": [[0] * 28] * 27 + [[0] * 27]}]})
    expect_problem(answer, 422, "equal length 28, got 27 at row 27")


def test_an_empty_body(client: httpx.Client) -> None:
    expect_problem(post_png(client, "/classify", b""), 400, "expected an image, got 0 bytes")


def test_an_empty_file_in_a_form(client: httpx.Client) -> None:
    expect_problem(post_form(client, "/classify", b""), 400, "got 0 bytes")


@pytest.mark.parametrize("declared", [True, False])
def test_a_body_of_100_megabytes_is_refused_before_it_was_read(client: httpx.Client, *, declared: bool) -> None:
    chunk, chunks = bytes(1_000_000), 100

    def stream() -> Iterator[bytes]:
        for _ in range(chunks):
            yield chunk

    headers = {"Content-Type": "image/png"}
    if declared:
        headers["Content-Length"] = str(chunks * len(chunk))
    answer = client.post("/classify", content=stream(), headers=headers)
    expect_problem(answer, 413, "expected at most 16777216 bytes, got")


def test_10000_images_in_one_form(client: httpx.Client) -> None:
    expect_problem(post_form(client, "/classify", *[b"x"] * 10_000), 413, "at most 64 images")


def test_10000_images_in_json(client: httpx.Client) -> None:
    answer = client.post("/classify", json={"images": [{"data": "eA=="}] * 10_000})
    expect_problem(answer, 413, "expected at most 64, got 10000")


def test_an_unknown_model(client: httpx.Client) -> None:
    answer = post_png(client, "/classify", random_png(), model="nope")
    expect_problem(answer, 404, "expected one of colour, mnist, got 'nope'")


@pytest.mark.parametrize("content_type", ["text/plain", "image/gif", "application/x-www-form-urlencoded", ""])
def test_a_wrong_content_type(client: httpx.Client, content_type: str) -> None:
    answer = client.post("/classify", content=random_png(), headers={"Content-Type": content_type})
    expect_problem(answer, 415, "expected one of multipart/form-data, image/png", content_type or "none")


def test_a_compressed_body(client: httpx.Client) -> None:
    headers = {"Content-Type": "image/png", "Content-Encoding": "gzip"}
    expect_problem(client.post("/classify", content=random_png(), headers=headers), 415, "gzip")


@pytest.mark.parametrize("body", [b"{", b"nonsense", b"[" * 100_000, b"\xff\xfe\x00"])
def test_invalid_json(client: httpx.Client, body: bytes) -> None:
    expect_problem(post_json(client, body), 400, "expected JSON, got")


def test_bad_base64(client: httpx.Client) -> None:
    answer = client.post("/classify", json={"images": [{"data": "no base64!"}]})
    expect_problem(answer, 400, "images[0].data: expected base64, got 10 characters")


def test_base64_of_a_text(client: httpx.Client) -> None:
    answer = client.post("/classify", json={"images": [{"data": base64.b64encode(TEXT).decode()}]})
    expect_problem(answer, 415, "expected PNG, JPEG or WebP")


def test_one_bad_image_among_good_ones_is_named(client: httpx.Client) -> None:
    answer = post_form(client, "/classify", random_png(1), TEXT, random_png(2))
    expect_problem(answer, 415, "images[1]: expected PNG, JPEG or WebP")


def test_a_form_that_ends_too_early(client: httpx.Client) -> None:
    body = b'--cut\r\nContent-Disposition: form-data; name="image"\r\n\r\nabc'
    answer = client.post("/classify", content=body, headers={"Content-Type": "multipart/form-data; boundary=cut"})
    expect_problem(answer, 400, "up to its closing boundary, got a truncated one")


@pytest.mark.parametrize("path", ["/nope", "/classify/x", "/v9/models"])
def test_an_unknown_route(client: httpx.Client, path: str) -> None:
    expect_problem(client.get(path), 404, f"GET {path}")


def test_a_wrong_method(client: httpx.Client) -> None:
    answer = client.delete("/classify")
    expect_problem(answer, 405, "expected POST")
    assert answer.headers["allow"] == "POST"


def test_every_refusal_is_counted_by_its_reason(client: httpx.Client) -> None:
    post_png(client, "/classify", b"")
    text = client.get("/metrics").text
    assert 'eabs_rejected_total{reason="malformed"}' in text
    assert 'eabs_requests_total{method="POST",route="/classify",status="400"}' in text
