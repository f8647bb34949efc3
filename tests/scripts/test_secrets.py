"""scripts/secrets makes keys that the server accepts, for those who need them and nobody else, and makes them once."""

import shutil
import subprocess
from pathlib import Path

import pytest

from service.security.keys import KeyRing

ROOT = Path(__file__).parents[2]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder that looks like a fresh clone to the script."""
    (tmp_path / "scripts").mkdir()
    (tmp_path / "docker").mkdir()
    shutil.copy(ROOT / "scripts" / "secrets", tmp_path / "scripts")
    return tmp_path


def make(checkout: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs the script."""
    command = [checkout / "scripts" / "secrets", *arguments]
    return subprocess.run(command, cwd="/", capture_output=True, text=True, check=False)


def test_the_server_accepts_the_keys_that_are_made(checkout: Path) -> None:
    made = make(checkout)
    assert made.returncode == 0, made.stderr
    folder = checkout / "docker" / "secrets"
    ring = KeyRing.parse((folder / "api-keys").read_text(), source="api-keys")
    assert len(ring) == 2
    for name in ("app", "prometheus"):
        key = (folder / f"{name}_key").read_text()
        assert key.startswith("eabs_")
        assert len(key) == len("eabs_") + 43
        found = ring.find(key)
        assert found is not None
        assert found.name == name
        assert key not in made.stdout + made.stderr
    assert len((folder / "grafana_password").read_text()) == 43


def test_other_users_of_the_host_see_none_and_containers_may_read_theirs(checkout: Path) -> None:
    make(checkout)
    folder = checkout / "docker" / "secrets"
    assert folder.stat().st_mode & 0o777 == 0o700
    modes = {file.name: file.stat().st_mode & 0o777 for file in folder.iterdir()}
    assert modes.pop("api-keys") == 0o644, "who runs the server adds keys"
    assert set(modes.values()) == {0o444}
    assert not list((checkout / "docker").glob(".secrets-*"))


def test_they_are_made_once_and_the_profile_can_be_changed(checkout: Path) -> None:
    make(checkout)
    first = (checkout / "docker/secrets/app_key").read_text()
    assert (checkout / ".env").read_text() == "SECRETS=./docker/secrets\nCOMPOSE_PROFILES=cpu\n"
    (checkout / ".env").write_text("SERVER_CPUS=8\n" + (checkout / ".env").read_text())
    assert make(checkout, "gpu").returncode == 0
    assert (checkout / "docker/secrets/app_key").read_text() == first
    assert (checkout / ".env").read_text() == "SERVER_CPUS=8\nSECRETS=./docker/secrets\nCOMPOSE_PROFILES=gpu\n"


def test_another_profile_is_refused(checkout: Path) -> None:
    refused = make(checkout, "tpu")
    assert refused.returncode == 2
    assert "expected cpu or gpu, got 'tpu'" in refused.stderr
    assert not (checkout / "docker" / "secrets").exists()


def test_nothing_that_it_makes_is_committed() -> None:
    assert {".env", "docker/secrets/"} <= set((ROOT / ".gitignore").read_text().splitlines())
