"""The documents say what the code does."""

import re
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.metrics import MetricWrapperBase as Collector

from cli.reference.markdown import anchor
from service.telemetry.metrics import Metrics
from tests.test_imports import MAY_IMPORT

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "deploy").rglob("*.md")])


def rows_of(registry: CollectorRegistry) -> set[str]:
    """The rows of docs/metrics.md as the registry has them."""
    own = {value._name: value._labelnames for value in vars(Metrics()).values() if isinstance(value, Collector)}
    rows = set()
    for family in registry.collect():
        labels = own.get(family.name, {label: None for sample in family.samples for label in sample.labels})
        name = f"{family.name}_total" if family.type == "counter" else family.name
        cells = (f"`{name}`", family.type, ", ".join(f"`{label}`" for label in labels) or "-", family.documentation)
        rows.add(f"| {' | '.join(cells)} |")
    return rows


def test_every_metric_is_documented_with_its_type_labels_and_help_and_no_other() -> None:
    page = (ROOT / "docs" / "metrics.md").read_text()
    table = page.partition("\n|---|---|---|---|\n")[2].partition("\n\n")[0]
    assert set(table.splitlines()) == rows_of(Metrics().registry)


def headings_of(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub has them."""
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text)
    return {anchor(heading) for heading in re.findall(r"^#+ (.+)$", plain, re.MULTILINE)}


def test_the_architecture_has_every_room() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text()
    assert set(re.findall(r"^\| `(\w+)/` \|", page, re.MULTILINE)) == MAY_IMPORT.keys()
    drawing = (ROOT / "docs" / "images" / "architecture.svg").read_text()
    assert set(re.findall(r">(\w+)/</text>", drawing)) == MAY_IMPORT.keys()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_to_a_file_and_its_heading_and_named_files_exist(page: Path) -> None:
    text = page.read_text()
    for name, heading in re.findall(r"(?:\]\(|src=\")([^)\"#:\s]*)(#[^)\"]+)?[)\"]", text):
        target = page.parent / name if name else page
        assert target.exists(), name
        assert not heading or heading in headings_of(target), name + heading
    for file in re.findall(
        r"`((?:eabs|service|training|model_store|benchmarks|client|tests|scripts|cli)/[\w/.]+)`", text
    ):
        assert (ROOT / file).exists(), file


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_picture_says_in_words_what_it_shows(page: Path) -> None:
    text = page.read_text()
    said = re.findall(r"!\[([^\]]*)\]\(", text) + re.findall(r'alt="([^"]*)"', text)
    assert len(said) == text.count("![") + text.count("<img ")
    assert all(len(words) > 10 for words in said), said


def test_every_page_is_reached_from_the_readme() -> None:
    seen, waiting = set(), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        seen.add(page)
        linked = {
            (page.parent / name).resolve() for name in re.findall(r"\]\(([^)#:\s]+\.md)(?:#[^)]+)?\)", page.read_text())
        }
        waiting += linked - seen
    assert set(PAGES) <= seen
