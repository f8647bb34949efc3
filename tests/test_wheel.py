"""What is installed is whole: the wheel brings all that serving needs, and needs nothing of the checkout."""

import json
import os
import shutil
import signal
import site
import subprocess
import sys
import time
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.service.running_server import wait_until_ready

ROOT = Path(__file__).parent.parent
ROOMS = [
    pattern.removesuffix("*")
    for pattern in tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]["find"][
        "include"
    ]
]
DIGIT = ROOT / "docs" / "examples" / "mnist-7-a.png"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    # A build leaves its traces where it happens, so it happens in a copy.
    folder = tmp_path_factory.mktemp("build")
    source = folder / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE", "MANIFEST.in"):
        shutil.copy(ROOT / name, source)
    for room in ROOMS:
        shutil.copytree(ROOT / room, source / room, ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-index", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "--wheel-dir", folder, source], check=True)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the commands of an environment in which the wheel is installed, beside what it depends on."""
    folder = tmp_path_factory.mktemp("venv")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    python = folder / "bin" / "python"
    command = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-index", "--no-deps"]
    subprocess.run([*command, wheel], check=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    # A path in a .pth file is searched, but the .pth files there, the checkout's own among them, are not read.
    (packages / "dependencies.pth").write_text("\n".join(site.getsitepackages()))
    return folder / "bin"


@pytest.fixture
def outside(tmp_path: Path) -> dict[str, str]:
    """Variables that lead to nothing of the checkout, and to no cache of earlier runs."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("EABS_", "PYTHON"))}
    return {**kept, "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}


@pytest.fixture
def url(installed: Path, tmp_path: Path, outside: dict[str, str]) -> Iterator[str]:
    log = tmp_path / "log"
    with log.open("w") as out:
        command = [installed / "eabs", "serve", "--port", "0", "--device", "cpu"]
        process = subprocess.Popen(command, cwd=tmp_path, env=outside, stdout=out, stderr=out)
    try:
        while not (found := [line.split()[-1] for line in messages(log) if line.startswith("listening on ")]):
            assert process.poll() is None, log.read_text()
            time.sleep(0.05)
        wait_until_ready(found[0])
        yield found[0]
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0, log.read_text()
    finally:
        process.kill()
        process.wait()


def messages(log: Path) -> list[str]:
    """Of the log's lines that are whole."""
    lines = log.read_text().splitlines(keepends=True)
    return [json.loads(line)["message"] for line in lines if line.endswith("\n")]


def test_the_wheel_has_every_file_of_the_packages_and_nothing_else(wheel: Path) -> None:
    files = (path for room in ROOMS for path in (ROOT / room).rglob("*") if path.is_file())
    expected = {str(path.relative_to(ROOT)) for path in files if "__pycache__" not in path.parts}
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert packed == expected


def test_the_wheel_carries_the_licence(wheel: Path) -> None:
    (licence,) = (name for name in zipfile.ZipFile(wheel).namelist() if name.endswith("/licenses/LICENSE"))
    assert zipfile.ZipFile(wheel).read(licence) == (ROOT / "LICENSE").read_bytes()


def test_the_installed_command_lists_the_model_that_came_with_it(
    installed: Path, tmp_path: Path, outside: dict[str, str]
) -> None:
    def says(*arguments: str) -> str:
        command = [installed / "eabs", *arguments]
        return subprocess.run(command, cwd=tmp_path, env=outside, check=True, capture_output=True, text=True).stdout

    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert says("--version") == f"eabs {version}\n"
    assert '"mnist"' in says("models", "list", "--json")


def test_the_installed_server_classifies_a_digit(url: str) -> None:
    answer = httpx.post(
        f"{url}/classify", content=DIGIT.read_bytes(), headers={"Content-Type": "image/png"}, timeout=60
    )
    assert answer.json()["results"][0]["prediction"]["label"] == "7"
