"""The documents say what the code does."""

import re
from pathlib import Path

import pytest

from service.settings import Settings

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def test_every_setting_is_documented_with_its_description() -> None:
    page = (ROOT / "docs" / "configuration.md").read_text()
    for name, field in Settings.model_fields.items():
        (row,) = [line for line in page.splitlines() if line.startswith(f"| `EABS_{name.upper()}` |")]
        assert field.description
        assert row.endswith(f"| {field.description} |")
    assert page.count("| `EABS_") == len(Settings.model_fields)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_and_named_file_exists(page: Path) -> None:
    text = page.read_text()
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
        assert (page.parent / target).exists(), target
    for file in re.findall(r"`((?:eabs|service|training|model_store|benchmarks|tests|scripts|cli)/[\w/.]+)`", text):
        assert (ROOT / file).exists(), file
