from dataclasses import replace
from pathlib import Path

import pytest
import torch

from model_store import ModelStore
from service.errors import NotFound
from service.models.catalogue import Catalogue
from service.models.reference import ModelReference
from service.models.served_model import ServedModel, load_model


@pytest.fixture(scope="module")
def one(store_root: Path) -> ServedModel:
    """Version 1 of mnist."""
    reference = ModelReference("mnist")
    return load_model(ModelStore(store_root), reference, device=torch.device("cpu"), cache_dir=None, threads=1)


@pytest.fixture
def catalogue(one: ServedModel) -> Catalogue:
    """mnist by production, which is version 1, and by version 2; colour by the store's choice."""
    held = Catalogue()
    held.put(ModelReference("mnist", "production"), one)
    held.put(ModelReference("mnist", "2"), replace(one, version="2"))
    held.put(ModelReference("colour"), replace(one, name="colour"))
    held.point("mnist", {"production": "1", "newest": "2", "old": "0"})
    return held


@pytest.mark.parametrize(
    ("name", "reference", "found"),
    [
        (None, None, ("mnist", "1")),
        (None, "2", ("mnist", "2")),
        ("mnist", "production", ("mnist", "1")),
        ("mnist", "newest", ("mnist", "2")),
        ("mnist", "1", ("mnist", "1")),
        ("colour", None, ("colour", "1")),
    ],
)
def test_a_request_finds_the_model_that_it_means(
    catalogue: Catalogue, name: str | None, reference: str | None, found: tuple[str, str]
) -> None:
    model = catalogue.find(name, reference)
    assert (model.name, model.version) == found


@pytest.mark.parametrize(
    ("name", "reference"), [("nope", None), ("mnist", "3"), ("mnist", "old"), ("colour", "production")]
)
def test_what_is_not_in_memory_is_not_found(catalogue: Catalogue, name: str, reference: str | None) -> None:
    with pytest.raises(NotFound, match=r"expected .*, got"):
        catalogue.find(name, reference)


def test_a_version_that_two_references_mean_is_listed_once(catalogue: Catalogue, one: ServedModel) -> None:
    catalogue.put(ModelReference("mnist", "1"), one)
    assert [(model.name, model.version) for model in catalogue] == [("mnist", "1"), ("mnist", "2"), ("colour", "1")]


def test_an_alias_that_moves_to_what_is_not_loaded_stays_where_it_was(catalogue: Catalogue) -> None:
    catalogue.point("mnist", {"newest": "3"})
    assert catalogue.find("mnist", "newest").version == "2"


def test_an_alias_that_is_removed_is_forgotten(catalogue: Catalogue) -> None:
    catalogue.point("mnist", {})
    with pytest.raises(NotFound):
        catalogue.find("mnist", "newest")


def test_a_reference_is_served_with_what_was_put_for_it_last(catalogue: Catalogue, one: ServedModel) -> None:
    catalogue.put(ModelReference("mnist", "production"), replace(one, version="3"))
    assert catalogue.find("mnist", "production").version == "3"
    assert catalogue.find("mnist", None).version == "3"
    with pytest.raises(NotFound):
        catalogue.find("mnist", "1")


def test_what_is_not_retained_is_not_found_and_the_default_is_not_replaced_by_another(catalogue: Catalogue) -> None:
    assert [model.version for model in catalogue.retain([ModelReference("colour")])] == ["1", "2"]
    assert [model.name for model in catalogue] == ["colour"]
    with pytest.raises(NotFound, match="expected one of colour, got 'mnist'"):
        catalogue.find(None, None)


def test_a_version_that_another_reference_means_is_still_in_memory(catalogue: Catalogue, one: ServedModel) -> None:
    catalogue.put(ModelReference("mnist", "1"), one)
    gone = catalogue.retain([ModelReference("mnist", "1")])
    assert [(model.name, model.version) for model in gone] == [("mnist", "2"), ("colour", "1")]
