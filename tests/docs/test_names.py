"""Commands, options, settings and metrics that any page names are there."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from cli.main import app
from service.settings import Settings
from service.telemetry.metrics import Metrics
from tests.docs.shell import ROOT

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "deploy").rglob("*.md")])
EABS = typer.main.get_command(app)
# Variables of commands other than `eabs serve`, which docs/configuration.md has at its end; and a misspelt one.
OTHER_VARIABLES = {"EABS_CLIENT_KEY", "EABS_PYTHON", "EABS_MAX_QEUE"}
_SUFFIXES = ("_bucket", "_count", "_sum", "_total", "")

pages = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def calls_in(text: str) -> Iterator[list[str]]:
    """The words after `eabs` wherever a page calls it: in blocks, and between backticks."""
    blocks = "\n".join(re.findall(r"^```.*?\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)).replace("\\\n", " ")
    lines = re.findall(r"^(?:\$ )?(?:\w+=\S+ )*(?:\.venv/bin/)?eabs (.*)$", blocks, re.MULTILINE)
    within = re.findall(
        r"`(?:\w+=\S+ )*(?:\.venv/bin/)?eabs ([^`]*)`", re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S)
    )
    for call in (*lines, *within):
        yield re.split(r" [|#>;&]", call)[0].split()


def commands_of(words: list[str], command: Any) -> Iterator[Any]:
    """The commands that words lead to, `list|show` to both; raises KeyError where there is none."""
    # Typer has groups of its own, which are not click's.
    if not hasattr(command, "commands") or not words or words[0].startswith("-"):
        yield command
        return
    for name in words[0].split("|"):
        yield from commands_of(words[1:], command.commands[name])


def test_calls_are_found_wherever_they_stand() -> None:
    text = "`eabs models list|show` and\n```\n$ A=1 eabs classify x \\\n  --json >out\n```\n"
    assert list(calls_in(text)) == [["classify", "x", "--json"], ["models", "list|show"]]
    with pytest.raises(KeyError):
        list(commands_of(["models", "lst"], EABS))


@pages
def test_every_command_and_option_exists(page: Path) -> None:
    for words in calls_in(page.read_text()):
        for command in commands_of(words, EABS):
            known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
            asked = {word.split("=")[0] for word in words if word.startswith("--")}
            assert asked <= known | {"--help"}, words


@pages
def test_every_setting_exists(page: Path) -> None:
    known = {f"EABS_{name.upper()}" for name in Settings.model_fields} | OTHER_VARIABLES
    assert set(re.findall(r"\bEABS_[A-Z_]*[A-Z]\b", page.read_text())) <= known


@pages
def test_every_metric_exists(page: Path) -> None:
    known = {f"{family.name}{suffix}" for family in Metrics().registry.collect() for suffix in _SUFFIXES}
    assert set(re.findall(r"`(eabs_[a-z_]+)(?:\{[^`]*)?`", page.read_text())) <= known
