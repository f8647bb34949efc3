import httpx
import pytest

from service.choices import CertificateChoice, ClassifyChoice
from service.errors import NotReady, Unsupported
from service.local import certify_locally, classify_locally
from service.settings import Settings
from tests.service.api import post_form
from tests.service.pictures import random_png

FILES = [random_png(400), random_png(401, (40, 40, 4))]


def test_it_answers_as_the_server_does(settings: Settings, client: httpx.Client) -> None:
    local = classify_locally(FILES, settings, choice=ClassifyChoice(effort="fast", explain=True)).model_dump(
        mode="json"
    )
    remote = post_form(client, "/classify", *FILES, effort="fast", explain="true").json()
    assert local["model"] == remote["model"]
    for ours, theirs in zip(local["results"], remote["results"], strict=True):
        assert ours["image_id"] == theirs["image_id"]
        assert ours["prediction"] == theirs["prediction"]
        assert ours["preprocessing"] == theirs["preprocessing"]
        assert set(ours["classes"][0]) == set(theirs["classes"][0])


def test_it_certifies(settings: Settings) -> None:
    for method in ("exact-inference", "finite-bank"):
        (certified,) = certify_locally(FILES[:1], settings, choice=CertificateChoice(method)).results
        assert certified.certificate.kind == method
        assert certified.certificate.radius >= 0
        assert len(certified.rivals) == 9


def test_a_file_that_is_no_image_is_refused_as_the_server_does(settings: Settings) -> None:
    with pytest.raises(Unsupported, match="expected PNG, JPEG or WebP"):
        classify_locally([b"I am a text"], settings)


def test_a_model_that_is_not_there_is_reported(settings: Settings) -> None:
    with pytest.raises(NotReady, match="could not be loaded"):
        classify_locally(FILES, settings.model_copy(update={"models": "nope"}))
