"""Imports go down only."""

import ast
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAY_IMPORT: dict[str, set[str]] = {
    "eabs": set(),
    "model_store": {"eabs"},
    "training": {"eabs", "model_store"},
    "service": {"eabs", "model_store"},
    "client": set(),
    "benchmarks": {"eabs", "model_store", "training", "client"},
    "cli": {"eabs", "model_store", "training", "service", "benchmarks", "client"},
}
EABS_LIBRARIES = {"torch", "scipy"}
CLIENT_LIBRARIES = {"httpx", "pydantic"}


def imports_of(file: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file} imports relatively"
            names.add((node.module or "").split(".")[0])
    return names


@pytest.mark.parametrize("room", sorted(MAY_IMPORT))
def test_a_room_imports_only_rooms_below_it(room: str) -> None:
    files = sorted((ROOT / room).rglob("*.py"))
    assert files
    for file in files:
        ours = imports_of(file) & MAY_IMPORT.keys()
        assert ours <= MAY_IMPORT[room] | {room}, file


def test_the_model_imports_torch_and_scipy_and_nothing_else_that_must_be_installed() -> None:
    for file in (ROOT / "eabs").rglob("*.py"):
        assert imports_of(file) <= EABS_LIBRARIES | {"eabs"} | sys.stdlib_module_names, file


def test_the_client_imports_httpx_and_pydantic_and_nothing_else_that_must_be_installed() -> None:
    for file in (ROOT / "client").rglob("*.py"):
        assert imports_of(file) <= CLIENT_LIBRARIES | {"client"} | sys.stdlib_module_names, file


def test_nothing_is_unpickled() -> None:
    for room in MAY_IMPORT:
        for file in (ROOT / room).rglob("*.py"):
            assert not imports_of(file) & {"pickle", "dill", "joblib", "shelve"}, file
            assert not re.search(r"(?<!safetensors\.)torch\.load\(", file.read_text()), file
