import pytest

from service.app import create_app
from service.security.access import access_of
from service.settings import Settings

OPEN = {"/", "/docs", "/openapi.json", "/healthz", "/readyz", "/v2/health/live", "/v2/health/ready"}
ADMIN = {"/v2/repository/models/{name}/load", "/v2/repository/models/{name}/unload"}


def test_every_route_asks_for_what_it_should(settings: Settings) -> None:
    paths = set(create_app(settings).openapi()["paths"])
    assert paths >= ADMIN
    for path in paths:
        expected = "open" if path in OPEN else "any" if path == "/metrics" else "admin" if path in ADMIN else "classify"
        assert access_of(path) == expected, path


@pytest.mark.parametrize(
    "path", ["", "//", "/docs/", "/healthz/", "/Healthz", "/v2/health/live/../../classify", "/static", "/nothing"]
)
def test_what_is_not_listed_is_not_open(path: str) -> None:
    assert access_of(path) == "classify"
