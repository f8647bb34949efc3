"""The documents say what the code does."""

import re
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.metrics import MetricWrapperBase as Collector

from service.settings import Settings
from service.telemetry.metrics import Metrics

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "deploy").rglob("*.md")])


def test_every_setting_is_documented_with_its_description() -> None:
    page = (ROOT / "docs" / "configuration.md").read_text()
    for name, field in Settings.model_fields.items():
        (row,) = [line for line in page.splitlines() if line.startswith(f"| `EABS_{name.upper()}` |")]
        assert field.description
        assert row.endswith(f"| {field.description} |")
    assert page.count("| `EABS_") == len(Settings.model_fields)


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


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_and_named_file_exists(page: Path) -> None:
    text = page.read_text()
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
        assert (page.parent / target).exists(), target
    for file in re.findall(
        r"`((?:eabs|service|training|model_store|benchmarks|client|tests|scripts|cli)/[\w/.]+)`", text
    ):
        assert (ROOT / file).exists(), file
