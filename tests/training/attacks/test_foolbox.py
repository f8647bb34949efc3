"""Foolbox asks for nothing that is not wanted."""

import os
import subprocess
import sys
from pathlib import Path


def run(code: str, **environment: str) -> str:
    inherited = {name: value for name, value in os.environ.items() if name != "GIT_PYTHON_REFRESH"}
    return subprocess.run(
        [sys.executable, "-c", code], env=inherited | environment, check=True, capture_output=True, text=True
    ).stdout


def test_the_attacks_need_no_git(tmp_path: Path) -> None:
    run("import training.attacks.standard", PATH=str(tmp_path))
