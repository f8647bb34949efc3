"""What is installed is what pyproject.toml asks for, in versions and files that are locked."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LOCKS = ["requirements.lock", "requirements-image.lock", "requirements-dev.lock", "requirements-cuda.lock"]
SERVING = ["requirements.lock", "requirements-image.lock"]
_ENTRY = re.compile(r"^(?P<requirement>\S.*?==.*?) \\\n(?P<hashes>(?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", re.M)


def _locked(lock: str) -> dict[str, str]:
    """The version of each package; there is one for every platform and Python."""
    text = (ROOT / lock).read_text()
    requirements = [Requirement(match["requirement"]) for match in _ENTRY.finditer(text)]
    versions = {canonicalize_name(r.name): str(r.specifier).removeprefix("==") for r in requirements}
    assert len(versions) == len(requirements) == len(re.findall(r"^[a-z]", text, re.M)), "an entry without a hash"
    return versions


def _expect_locked(asked: list[str], lock: str) -> None:
    locked = _locked(lock)
    for requirement in map(Requirement, asked):
        version = locked.get(canonicalize_name(requirement.name))
        assert version is not None, f"{lock}: expected {requirement}; run scripts/lock"
        assert requirement.specifier.contains(version), f"{lock}: expected {requirement}, got {version}"


@pytest.mark.parametrize("lock", LOCKS)
def test_every_locked_package_has_hashes(lock: str) -> None:
    assert _locked(lock)


@pytest.mark.parametrize("lock", SERVING)
def test_what_serving_needs_is_locked(lock: str) -> None:
    _expect_locked(PROJECT["dependencies"], lock)


def test_what_an_image_has_besides_is_locked() -> None:
    extras = PROJECT["optional-dependencies"]
    _expect_locked([*extras["s3"], *extras["tracing"]], "requirements-image.lock")


def test_what_testing_needs_is_locked() -> None:
    extras = PROJECT["optional-dependencies"]
    (own,) = (entry for entry in extras["dev"] if entry.startswith("eabs-server"))
    tested = ["dev", *Requirement(own).extras]
    asked = [entry for extra in tested for entry in extras[extra] if entry != own]
    _expect_locked([*PROJECT["dependencies"], *asked], "requirements-dev.lock")


@pytest.mark.parametrize("lock", SERVING)
def test_what_is_served_with_is_what_is_tested_with(lock: str) -> None:
    served, tested = _locked(lock), _locked("requirements-dev.lock")
    assert served.items() <= tested.items()


@pytest.mark.parametrize("lock", [*SERVING, "requirements-dev.lock"])
def test_no_library_of_cuda_is_installed_where_torch_needs_none(lock: str) -> None:
    assert not [name for name in _locked(lock) if name.split("-")[0] in {"nvidia", "cuda", "triton"}]
