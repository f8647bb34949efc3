"""Requests that are made from the OpenAPI document: the server does what the document says, whatever they are."""

import hashlib
from collections.abc import Iterator

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from pydantic import SecretStr
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance

from service.app import create_app
from service.settings import Settings
from tests.service.running_server import RunningServer

# 503 and 504 are answers, too; and which parameters go together is said in words, not in the schema.
EXCLUDED = [not_a_server_error, positive_data_acceptance]
KEY = "eabs_tester"
DOCUMENT = schemathesis.openapi.from_dict(create_app(Settings(models="mnist")).openapi())
DOCUMENT.config.generation.update(modes=list(GenerationMode))


@pytest.fixture(scope="module")
def own(settings: Settings) -> Iterator[RunningServer]:
    """A server of its own, since models may be unloaded; a request may take a second."""
    keys = SecretStr(f"tester classify,admin sha256:{hashlib.sha256(KEY.encode()).hexdigest()}")
    with RunningServer(settings.model_copy(update={"request_timeout_s": 2.0, "api_keys": keys})) as running:
        yield running


@DOCUMENT.parametrize()
@settings(
    max_examples=25,
    derandomize=True,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_every_answer_is_one_that_the_document_announces(case: schemathesis.Case, own: RunningServer) -> None:
    answer = case.call_and_validate(
        base_url=own.url, headers={"Authorization": f"Bearer {KEY}"}, excluded_checks=EXCLUDED
    )
    assert answer.status_code != 500
