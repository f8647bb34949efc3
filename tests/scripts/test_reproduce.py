"""scripts/reproduce with the real command, on a small data set."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The script in a folder whose environment is this one."""
    scripts, binaries = tmp_path / "scripts", tmp_path / ".venv" / "bin"
    for folder in (scripts, binaries):
        folder.mkdir(parents=True)
    shutil.copy(ROOT / "scripts" / "reproduce", scripts)
    for path, line in ((scripts / "setup", "true"), (binaries / "eabs", f'exec {sys.executable} -m cli.main "$@"')):
        path.write_text(f"#!/bin/sh\n{line}\n")
        path.chmod(0o755)
    return tmp_path


def reproduce(checkout: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **variables}
    command = [str(checkout / "scripts" / "reproduce"), *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_models_are_trained_attacked_and_put_into_a_table(checkout: Path, mnist_folder: Path) -> None:
    small = {"KINDS": "cnn adv-l2", "SUITES": "quick", "TRAIN": "--batch 32 --epochs 4 --threads 1"}
    found = reproduce(checkout, "mnist", str(mnist_folder), "4", **small)
    assert found.returncode == 0, found.stderr
    out = checkout / "runs" / "mnist"
    table = (out / "results" / "tables.md").read_text()
    assert "CNN" in table
    assert "Adv-L2" in table
    written = {path: path.stat().st_mtime_ns for path in out.glob("*/checkpoint.safetensors")}
    assert reproduce(checkout, "mnist", str(mnist_folder), "4", **small).returncode == 0
    assert {path: path.stat().st_mtime_ns for path in out.glob("*/checkpoint.safetensors")} == written


def test_it_says_how_it_is_used(checkout: Path) -> None:
    found = reproduce(checkout, "mnist")
    assert found.returncode == 2
    assert "Usage: scripts/reproduce DATASET DATA [SAMPLES]" in found.stderr
