from collections.abc import Callable
from pathlib import Path

import pytest

from service.models.reference import ModelReference
from service.models.wishes import Wishes

MNIST, NEXT, COLOUR = ModelReference("mnist"), ModelReference("mnist", "next"), ModelReference("colour")


@pytest.fixture(params=["alone", "shared"])
def wishes(request: pytest.FixtureRequest, tmp_path: Path) -> Wishes:
    return Wishes([MNIST, COLOUR], file=tmp_path / "wishes.json" if request.param == "shared" else None)


def test_wishes_are_added_once_and_dropped_by_name(wishes: Wishes) -> None:
    wishes.add(NEXT)
    wishes.add(NEXT)
    assert wishes.references == (MNIST, COLOUR, NEXT)
    wishes.drop("mnist")
    assert wishes.references == (COLOUR,)


def test_own_wishes_are_no_news(wishes: Wishes) -> None:
    wishes.add(NEXT)
    assert not wishes.has_news()


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda wishes: wishes.add(NEXT), (MNIST, COLOUR, NEXT)),
        (lambda wishes: wishes.add(MNIST), (MNIST, COLOUR)),
        (lambda wishes: wishes.drop("mnist"), (COLOUR,)),
    ],
    ids=["another", "the same again", "one less"],
)
def test_what_one_worker_wishes_is_news_to_another_once(
    tmp_path: Path, change: Callable[[Wishes], None], found: tuple[ModelReference, ...]
) -> None:
    one, other = (Wishes([MNIST, COLOUR], file=tmp_path / "wishes.json") for _ in range(2))
    change(one)
    assert other.has_news()
    assert other.references == found
    assert not other.has_news()


def test_wishes_of_several_workers_come_together(tmp_path: Path) -> None:
    one, other = (Wishes([MNIST], file=tmp_path / "wishes.json") for _ in range(2))
    one.add(COLOUR)
    other.add(NEXT)
    assert one.has_news()
    assert one.references == other.references == (MNIST, COLOUR, NEXT)


def test_a_worker_that_comes_later_wishes_what_the_others_do(tmp_path: Path) -> None:
    Wishes([MNIST], file=tmp_path / "wishes.json").add(COLOUR)
    assert Wishes([MNIST], file=tmp_path / "wishes.json").references == (MNIST, COLOUR)
