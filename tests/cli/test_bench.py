import json
from pathlib import Path

import pytest
from PIL import Image

from tests.cli.conftest import Eabs


@pytest.fixture
def convergence(eabs: Eabs, store: Path, mnist_folder: Path) -> Eabs:
    def run(*arguments: object) -> object:
        common = ("--model", "mnist", "--data", mnist_folder, "--store", store, "--images", 2)
        return eabs("bench", "convergence", *common, *arguments)

    return run  # type: ignore[return-value]


def test_the_ladder_is_climbed_from_the_cheapest_rung(convergence: Eabs) -> None:
    outcome = convergence("--ladder", "3x2, 1x1", "--json")
    assert outcome.code == 0, outcome.err
    found = json.loads(outcome.out)
    assert (found["model"]["name"], found["images"]) == ("mnist", 2)
    assert [(rung["steps"], rung["starts"]) for rung in found["rungs"]] == [(1, 1), (3, 2)]
    assert sorted(found["rungs"][0]["beyond"]) == ["0.01", "0.05"]
    assert found["rungs"][1]["largest_difference"] == 0


def test_what_is_served_is_marked_in_the_table_and_in_the_figure(convergence: Eabs, tmp_path: Path) -> None:
    served, other = tmp_path / "served.png", tmp_path / "other.png"
    outcome = convergence("--ladder", "1x1,60x8", "--images", 1, "--figure", served)
    assert outcome.code == 0, outcome.err
    assert "60 x 8 *" in outcome.out
    assert convergence("--ladder", "1x1,2x1", "--images", 1, "--figure", other).code == 0
    accents = []
    for file in (served, other):
        with Image.open(file) as image:
            assert image.format == "PNG"
            accents.append((11, 122, 83) in {colour for _, colour in image.convert("RGB").getcolors(1 << 20) or ()})
    assert accents == [True, False]


@pytest.mark.parametrize("ladder", ["", "60", "60x8,", "60x0", "60*8"])
def test_what_is_no_ladder_is_a_usage_error(convergence: Eabs, ladder: str) -> None:
    outcome = convergence("--ladder", ladder)
    assert outcome.code == 2
    assert "ladder: expected" in outcome.err


def test_a_figure_without_a_folder_is_a_usage_error_before_anything_is_measured(
    convergence: Eabs, tmp_path: Path
) -> None:
    outcome = convergence("--figure", tmp_path / "none" / "curve.png")
    assert outcome.code == 2
    assert "no such folder" in outcome.err


def test_scaling_says_what_is_full_first(eabs: Eabs) -> None:
    outcome = eabs("bench", "scaling", "--images-per-second-per-replica", 10_000, "--json")
    assert outcome.code == 0
    found = json.loads(outcome.out)
    assert found["needs"][0]["part"] == "server processes"
    assert found["assumptions"]["replica_images_per_s"] == 10_000


def test_scaling_with_a_share_beyond_one_is_a_usage_error(eabs: Eabs) -> None:
    outcome = eabs("bench", "scaling", "--images-per-second-per-replica", 10, "--hit-rate", 2)
    assert outcome.code == 2
    assert "hit_rate" in outcome.err
