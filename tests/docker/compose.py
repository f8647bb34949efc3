"""What docker-compose.yml says, for the tests."""

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

from tests.docker.monitoring import ROOT, read_yaml

SCHEMA: dict[str, Any] = json.loads((Path(__file__).parent / "compose_spec" / "compose-spec.json").read_text())
SERVERS = ("eabs", "eabs-gpu")
_VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?::(?P<kind>[-?])(?P<rest>[^}]*))?\}")


@cache
def compose_file() -> dict[str, Any]:
    """The whole file, merges done and variables not yet filled in."""
    return dict(read_yaml(ROOT / "docker-compose.yml"))


def services() -> dict[str, dict[str, Any]]:
    """The services by name."""
    return dict(compose_file()["services"])


def filled(value: str, **variables: str) -> str:
    """A value with its variables, or with what it says for those that are not set."""

    def fill(found: re.Match[str]) -> str:
        if found["name"] in variables:
            return variables[found["name"]]
        assert found["kind"] == "-", f"{found[0]}: no value and no default"
        return found["rest"]

    return _VARIABLE.sub(fill, value)


def published(service: str) -> tuple[str, int]:
    """The host's address that a service's only port is published on, and the port inside its container."""
    (port,) = services()[service]["ports"]
    address, _, inside = filled(port).rsplit(":", 2)
    return address, int(inside)


def seconds(duration: str) -> float:
    """A duration of one unit, `75s` or `2m`, in s."""
    return float(duration[:-1]) * {"s": 1, "m": 60}[duration[-1]]


def mebibytes(size: str) -> float:
    """A size such as `2g`, `256m` or Redis' `192mb`, in MiB."""
    found = re.fullmatch(r"(\d+)([mg])b?", size)
    assert found, size
    return float(found[1]) * {"m": 1, "g": 1024}[found[2]]
