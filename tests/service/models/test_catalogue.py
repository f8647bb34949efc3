from dataclasses import replace
from pathlib import Path

import pytest
import torch

from model_store import ModelStore
from service.errors import NotFound
from service.models.catalogue import Catalogue
from service.models.served_model import load_model
from service.settings import ModelReference


@pytest.fixture(scope="module")
def catalogue(store_root: Path) -> Catalogue:
    """Versions 1 (production) and 2 of mnist, and colour."""
    store = ModelStore(store_root)
    mnist, colour = (
        load_model(store, ModelReference(name), device=torch.device("cpu"), cache_dir=None, threads=1)
        for name in ("mnist", "colour")
    )
    held = Catalogue()
    for model in (mnist, replace(mnist, version="2"), colour):
        held.add(model)
    return held


@pytest.mark.parametrize(
    ("name", "reference", "found"),
    [
        (None, None, ("mnist", "1")),
        (None, "2", ("mnist", "2")),
        ("mnist", "production", ("mnist", "1")),
        ("mnist", "1", ("mnist", "1")),
        ("colour", None, ("colour", "1")),
    ],
)
def test_a_request_finds_the_model_that_it_means(
    catalogue: Catalogue, name: str | None, reference: str | None, found: tuple[str, str]
) -> None:
    model = catalogue.find(name, reference)
    assert (model.name, model.version) == found


@pytest.mark.parametrize(("name", "reference"), [("nope", None), ("mnist", "3"), ("colour", "production")])
def test_what_is_not_in_memory_is_not_found(catalogue: Catalogue, name: str, reference: str | None) -> None:
    with pytest.raises(NotFound, match=r"expected .*, got"):
        catalogue.find(name, reference)
