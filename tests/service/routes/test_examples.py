import httpx
import pytest

from service.routes.examples import certify_examples
from service.schemas import CertifyAnswer


def test_every_example_is_a_valid_answer() -> None:
    for method, example in certify_examples()[200]["content"]["application/json"]["examples"].items():
        (result,) = CertifyAnswer.model_validate(example["value"]).results
        assert result.certificate.kind == result.settings.kind == method


@pytest.mark.parametrize("verb", ["get", "post"])
def test_openapi_shows_an_answer_of_every_certificate(client: httpx.Client, verb: str) -> None:
    operation = client.get("/openapi.json").json()["paths"]["/certify"][verb]
    content = operation["responses"]["200"]["content"]["application/json"]
    (method,) = [parameter for parameter in operation["parameters"] if parameter["name"] == "method"]
    assert set(content["examples"]) == set(method["schema"]["enum"])
    assert content["schema"]["$ref"].endswith("/CertifyAnswer")
