"""The pages that are made from the code are those in docs/: `scripts/docs` writes them."""

import re
from pathlib import Path

import pytest

from cli.reference.configuration import configuration_page
from service.settings import Settings
from tests.cli.conftest import Eabs

DOCS = Path(__file__).parents[3] / "docs"


@pytest.mark.parametrize("page", ["configuration", "api"])
def test_the_page_in_docs_is_what_the_code_says_now(eabs: Eabs, page: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EABS_MODELS", "another")
    monkeypatch.setenv("EABS_API_KEYS", "nonsense")
    outcome = eabs("reference", page)
    assert outcome.code == 0
    current = outcome.out == (DOCS / f"{page}.md").read_text()
    assert current, f"docs/{page}.md: expected what `eabs reference {page}` prints; scripts/docs writes it"


def test_every_setting_has_a_row_with_its_values_its_default_and_its_description() -> None:
    page = configuration_page()
    for name, field in Settings.model_fields.items():
        (row,) = re.findall(rf"^\| `EABS_{name.upper()}` \| (.+) \| (.+) \| (.+) \|$", page, re.MULTILINE)
        assert row[2] == field.description
    assert page.count("\n| `EABS_") == len(Settings.model_fields)
    assert "| `EABS_PORT` | integer, 0 to 65535 | `8000` |" in page
    assert "| `EABS_CACHE_BYTES` | integer, ≥ 0 | `67108864` (64 MiB) |" in page
    assert "| `EABS_LOG_LEVEL` | `debug`, `info`, `warning` or `error` | `info` |" in page


def test_no_default_is_one_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert str(tmp_path) not in configuration_page()
