import json
from pathlib import Path

import pytest

from tests.cli.conftest import Eabs


@pytest.fixture
def convergence(eabs: Eabs, store: Path, mnist_folder: Path) -> Eabs:
    def run(*arguments: object, model: object = "mnist") -> object:
        return eabs(
            "evaluate", "convergence", "--model", model, "--data", mnist_folder, "--store", store, "--samples", 3,
            *arguments,
        )  # fmt: skip

    return run  # type: ignore[return-value]


def test_every_value_has_a_point(convergence: Eabs) -> None:
    outcome = convergence("--vary", "pgd-linf-steps", "--value", 0, "--value", 2, "--restarts", 1, "--json")
    assert outcome.code == 0, outcome.err
    found = json.loads(outcome.out)
    assert (found["samples"], found["norm"], found["epsilon"]) == (3, "linf", 0.3)
    assert [point["value"] for point in found["points"]] == [0, 2]
    assert found["points"][1]["accuracy"] <= found["points"][0]["accuracy"]


def test_a_run_is_measured_like_what_is_published(convergence: Eabs, network: Path) -> None:
    outcome = convergence("--vary", "square-linf-queries", "--value", 0, "--value", 40, "--json", model=network)
    assert outcome.code == 0, outcome.err
    found = json.loads(outcome.out)
    assert (found["model"]["name"], found["model"]["kind"], found["model"]["served"]) == ("plain", "cnn", "the network")
    assert [point["value"] for point in found["points"]] == [0, 40]


def test_the_noise_of_the_papers_inference_is_expected_over_samples(convergence: Eabs) -> None:
    outcome = convergence("--vary", "pgd-linf-eot", "--value", 1, "--restarts", 1, "--samples", 1, "--json")
    assert outcome.code == 0, outcome.err
    assert json.loads(outcome.out)["model"]["served"] == "latent inference, adam"


def test_a_table_names_what_varies(convergence: Eabs) -> None:
    outcome = convergence("--vary", "deepfool-l2-steps", "--value", 0, "--value", 1, "--epsilon", 0.5)
    assert outcome.code == 0, outcome.err
    first, head, *rows = outcome.out.splitlines()
    assert first == "deepfool-l2-steps, epsilon 0.5, 3 test images, seed 0"
    assert head.split() == ["steps", "accuracy", "seconds"]
    assert [row.split()[0] for row in rows] == ["0", "1"]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--vary", "pgd-steps", "--samples", 1000), "pgd-linf-steps"),
        (("--vary", "pgd-linf-steps", "--samples", 1000), "samples"),
        (("--vary", "pgd-linf-eot", "--effort", "brief"), "effort"),
        (("--vary", "pgd-l2-steps", "--epsilon", 0), "epsilon"),
        (("--vary", "pgd-linf-eot", "--value", 0), "at least 1 sample"),
    ],
)
def test_what_cannot_be_measured_is_a_usage_error(
    convergence: Eabs, arguments: tuple[object, ...], complaint: str
) -> None:
    outcome = convergence(*arguments)
    assert outcome.code == 2
    assert complaint in outcome.err


def test_a_network_has_no_noise_to_expect(convergence: Eabs, network: Path) -> None:
    outcome = convergence("--vary", "pgd-linf-eot", model=network)
    assert outcome.code == 2
    assert "solver: expected none" in outcome.err
