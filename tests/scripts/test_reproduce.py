"""scripts/reproduce with the real command, on a small data set."""

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.eabs_process import start_eabs

ROOT = Path(__file__).parents[2]

EABS = """\
#!{python} -IS
import json, os, socket, sys
with socket.socket(socket.AF_UNIX) as asked:
    asked.connect({address!r})
    asked.sendall(json.dumps([os.getcwd(), sys.argv[1:]]).encode() + b"\\n")
    code, said = json.loads(asked.makefile().read())
sys.stderr.write(said)
sys.exit(code)
"""
"""The command, for a shell: has it run by `serve_eabs`, which need not import torch every time."""


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Path]:
    """The script in a folder whose environment is this one."""
    scripts, binaries = tmp_path / "scripts", tmp_path / ".venv" / "bin"
    for folder in (scripts, binaries):
        folder.mkdir(parents=True)
    shutil.copy(ROOT / "scripts" / "reproduce", scripts)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen()
        server = threading.Thread(target=serve_eabs, args=(listener, tmp_path / "log"))
        server.start()
        command = EABS.format(python=sys.executable, address=str(tmp_path / "s"))
        for path, script in ((scripts / "setup", "#!/bin/sh\n"), (binaries / "eabs", command)):
            path.write_text(script)
            path.chmod(0o755)
        yield tmp_path
        listener.shutdown(socket.SHUT_RDWR)
        server.join()


def serve_eabs(listener: socket.socket, log: Path) -> None:
    """Runs every command that is asked for in its folder, one after the other, until nobody listens."""
    while True:
        try:
            asked, _ = listener.accept()
        except OSError:
            return
        with asked, asked.makefile("rw") as stream:
            folder, arguments = json.loads(stream.readline())
            process = start_eabs(*arguments, log=log, setup=partial(os.chdir, folder))
            process.join()
            stream.write(json.dumps([process.exitcode, log.read_text()]))


def reproduce(checkout: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    command = [str(checkout / "scripts" / "reproduce"), *arguments]
    return subprocess.run(command, env=os.environ | variables, capture_output=True, text=True, check=False)


def test_models_are_trained_attacked_and_put_into_a_table(checkout: Path, mnist_folder: Path) -> None:
    small = {
        "KINDS": "cnn adv-l2", "SUITES": "quick", "TRAIN": "--batch 32 --epochs 4 --threads 1", "INFER": "--seen fast",
    }  # fmt: skip
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
