import pytest

from training.datasets import CLASS_LABELS, FOLDER
from training.datasets.terms import terms_of


@pytest.mark.parametrize("dataset", CLASS_LABELS)
def test_every_official_set_has_terms(dataset: str) -> None:
    terms = terms_of(dataset, {})
    assert terms is not None
    assert terms.licence
    assert terms.citation


def test_ones_own_images_have_none() -> None:
    assert terms_of(FOLDER, {}) is None


@pytest.mark.parametrize("with_dfg", [False, True])
def test_the_terms_of_joined_sets_are_those_of_each(*, with_dfg: bool) -> None:
    sources = {"btsc.npz": "sha256:0"} | ({"DFG-tsd-annot-json.zip": "sha256:0"} if with_dfg else {})
    terms = terms_of("supertraffic10", sources)
    assert terms is not None
    for author, there in (("Stallkamp", True), ("Timofte", True), ("Tabernik", with_dfg)):
        assert (author in str(terms.citation)) is there
