import httpx
import pytest

from service.routes.examples import classify_examples
from service.schemas import CertifyAnswer, ClassifyAnswer


def test_a_prediction_is_missing_where_an_image_is_rejected_and_there_alone() -> None:
    examples = classify_examples()
    answers = {name: ClassifyAnswer.model_validate(example["value"]).results for name, example in examples.items()}
    found = {name: (result.prediction is None, result.out_of_distribution) for name, (result,) in answers.items()}
    assert found == {"answered": (False, False), "rejected": (True, True)}


def test_openapi_shows_both_answers_of_classify(client: httpx.Client) -> None:
    operation = client.get("/openapi.json").json()["paths"]["/classify"]["post"]
    content = operation["responses"]["200"]["content"]["application/json"]
    assert set(content["examples"]) == {"answered", "rejected"}
    for example in content["examples"].values():
        ClassifyAnswer.model_validate(example["value"])
    assert content["schema"]["$ref"].endswith("/ClassifyAnswer")


@pytest.mark.parametrize("verb", ["get", "post"])
def test_openapi_shows_an_answer_of_every_certificate(client: httpx.Client, verb: str) -> None:
    operation = client.get("/openapi.json").json()["paths"]["/certify"][verb]
    content = operation["responses"]["200"]["content"]["application/json"]
    (method,) = [parameter for parameter in operation["parameters"] if parameter["name"] == "method"]
    assert set(content["examples"]) == set(method["schema"]["enum"])
    for name, example in content["examples"].items():
        (result,) = CertifyAnswer.model_validate(example["value"]).results
        assert result.certificate.kind == result.settings.kind == name
    assert content["schema"]["$ref"].endswith("/CertifyAnswer")
