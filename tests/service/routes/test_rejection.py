"""The shipped model, asked about real digits and a real shoe."""

import base64
from collections.abc import Iterator

import httpx
import numpy as np
import pytest
from PIL import Image

from service.settings import Settings
from tests.conftest import EXAMPLES
from tests.few_candidates import publish_with_few_candidates
from tests.service.api import post_form, post_png, result
from tests.service.running_server import RunningServer

DIGIT = (EXAMPLES / "mnist-7-a.png").read_bytes()
SHOE = (EXAMPLES / "fashion-mnist-ankle-boot.png").read_bytes()
CLASSIFIERS = ["latent", "finite-bank"]


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client of a server with the bundled model."""
    store = publish_with_few_candidates(tmp_path_factory.mktemp("store"), with_bank=True)
    with (
        RunningServer(Settings(store=store, cache_dir=None, device="cpu", threads=1)) as running,
        httpx.Client(base_url=running.url, timeout=60) as client,
    ):
        yield client


def counted(client: httpx.Client, sample: str) -> float:
    """A sample of the metrics, by its name and labels; 0 before it is first counted."""
    lines = client.get("/metrics").text.splitlines()
    return sum(float(line.removeprefix(sample)) for line in lines if line.startswith(f"{sample} "))


@pytest.mark.parametrize("classifier", CLASSIFIERS)
def test_a_digit_is_answered_and_a_shoe_is_rejected(client: httpx.Client, classifier: str) -> None:
    answer = post_form(client, "/classify", DIGIT, SHOE, classifier=classifier, reject="true")
    digit, shoe = answer.json()["results"]
    assert (digit["out_of_distribution"], digit["prediction"]) == (False, {"index": 7, "label": "7"})
    assert (shoe["out_of_distribution"], shoe["prediction"]) == (True, None)
    (details,) = client.get("/models/mnist").json()["details"]
    threshold = details["reject_below" if classifier == "latent" else "prototype_reject_below"]
    assert shoe["typicality"] < threshold <= digit["typicality"]
    assert details["calibration_effort"] == "standard"


@pytest.mark.parametrize("classifier", CLASSIFIERS)
def test_without_reject_a_shoe_gets_its_class_and_is_called_what_it_is(client: httpx.Client, classifier: str) -> None:
    shoe = result(post_png(client, "/classify", SHOE, classifier=classifier))
    best = max(shoe["classes"], key=lambda entry: entry["log_likelihood"])
    assert shoe["out_of_distribution"] is True
    assert shoe["prediction"] == {"index": best["index"], "label": best["label"]}


def test_every_body_can_be_rejected(client: httpx.Client) -> None:
    pixels = np.asarray(Image.open(EXAMPLES / "fashion-mnist-ankle-boot.png"))
    images = [{"data": base64.b64encode(SHOE).decode()}, {"pixels": pixels.tolist(), "scale": 255}]
    answers = [
        post_png(client, "/classify", SHOE, reject="true"),
        post_form(client, "/classify", SHOE, reject="true"),
        client.post("/classify", json={"images": images}, params={"reject": "true"}),
    ]
    results = [entry for answer in answers for entry in answer.json()["results"]]
    assert len(results) == 4
    assert all(entry["prediction"] is None for entry in results)


def test_a_rejected_image_is_not_certified_and_the_answer_says_why(client: httpx.Client) -> None:
    query = {"classifier": "finite-bank", "certificate": "finite-bank"}
    answer = post_form(client, "/classify", SHOE, DIGIT, SHOE, **query, reject="true")
    shoe, digit, again = answer.json()["results"]
    assert shoe["certificate"]["radius"] == again["certificate"]["radius"] == 0
    assert "rejected as out of distribution" in shoe["certificate"]["reason"]
    assert digit["certificate"] == result(post_png(client, "/classify", DIGIT, **query))["certificate"]
    assert digit["certificate"]["radius"] > 1
    # It is the decision to reject that nothing is certified of: the class alone has its certificate.
    assert result(post_png(client, "/classify", SHOE, **query))["certificate"]["radius"] > 0


def test_the_metrics_count_what_is_out_of_distribution_and_what_is_rejected(client: httpx.Client) -> None:
    samples = [
        'eabs_images_classified_total{model="mnist"}',
        'eabs_out_of_distribution_total{model="mnist"}',
        'eabs_predictions_total{label="(rejected)",model="mnist"}',
        'eabs_predictions_total{label="7",model="mnist"}',
    ]
    before = [counted(client, sample) for sample in samples]
    post_form(client, "/classify", DIGIT, SHOE, classifier="finite-bank", reject="true")
    post_form(client, "/classify", DIGIT, SHOE, classifier="finite-bank")
    after = [counted(client, sample) for sample in samples]
    assert [b - a for a, b in zip(before[:3], after[:3], strict=True)] == [4, 2, 1]
    assert after[3] >= before[3] + 2


def test_a_threshold_is_not_a_query_parameter(client: httpx.Client) -> None:
    answer = post_png(client, "/classify", DIGIT, reject="0.05")
    assert answer.status_code == 422
    assert "query.reject" in answer.json()["detail"]
