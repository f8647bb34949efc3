import pytest
import torch
from torch import Tensor

from benchmarks.convergence import LADDER, THRESHOLDS, Convergence, Rung, measure_convergence
from eabs.certificates.exact_inference import EXACT_INFERENCE, certify_exact_inference
from eabs.inference import LatentInference
from tests.eabs.toy import TOY, random_model

SHORT = (Rung(1, 1), Rung(10, 1), Rung(20, 4), Rung(60, 8))


@pytest.fixture(scope="module")
def inference() -> LatentInference:
    return LatentInference.prepare(random_model(TOY, contrast=3.0, seed=3), beta=1.0, seed=0, candidates=200)


@pytest.fixture(scope="module")
def images() -> Tensor:
    """Noisy re-creations."""
    generator = torch.Generator().manual_seed(5)
    decoded = random_model(TOY, contrast=3.0, seed=3).decoders(torch.randn(24, 2, generator=generator))
    clean = decoded[torch.arange(24), torch.arange(24) % 3]
    return (clean + 0.03 * torch.randn(clean.shape, generator=generator)).clamp(0, 1)


@pytest.fixture(scope="module")
def found(inference: LatentInference, images: Tensor) -> list[Convergence]:
    return measure_convergence(inference, images, SHORT)


def test_the_last_rung_differs_from_itself_by_nothing(found: list[Convergence]) -> None:
    last = found[-1]
    assert last.mean_difference == last.p95_difference == last.largest_difference == last.changed == 0
    assert last.beyond == dict.fromkeys(THRESHOLDS, 0.0)


def test_more_work_comes_nearer_to_the_last_rung(found: list[Convergence]) -> None:
    differences = [rung.mean_difference for rung in found]
    assert differences == sorted(differences, reverse=True)
    assert differences[0] > 10 * differences[1]


def test_where_every_optimum_is_found_twice_the_work_changes_no_radius(
    inference: LatentInference, images: Tensor
) -> None:
    own, _ = measure_convergence(inference, images, (Rung(60, 8), Rung(120, 16)))
    assert own.largest_difference < THRESHOLDS[0]
    assert own.changed == 0


def test_a_rung_is_the_certificate_with_its_steps_and_starts(inference: LatentInference, images: Tensor) -> None:
    (found,) = measure_convergence(inference, images, (Rung(10, 2),))
    radii = certify_exact_inference(inference, images, Rung(10, 2).settings).radii.double()
    assert (found.steps, found.starts, found.images) == (10, 2, 24)
    assert found.mean_radius == pytest.approx(radii.mean().item())
    assert found.median_radius == pytest.approx(radii.median().item())
    assert found.uncertified == (radii == 0).double().mean().item()
    assert found.ms_per_image > 0


def test_shares_and_percentiles_are_of_the_differences(inference: LatentInference, images: Tensor) -> None:
    rungs = (Rung(1, 1), Rung(20, 1))
    one, many = (certify_exact_inference(inference, images, rung.settings) for rung in rungs)
    differences = (one.radii.double() - many.radii.double()).abs()
    found, _ = measure_convergence(inference, images, rungs)
    assert found.largest_difference == differences.max().item()
    assert found.p95_difference == differences.quantile(0.95).item()
    assert found.beyond == {limit: (differences > limit).double().mean().item() for limit in THRESHOLDS}
    assert found.changed == (one.predictions != many.predictions).double().mean().item()


def test_rungs_come_by_their_cost_and_every_certificate_is_reported(inference: LatentInference, images: Tensor) -> None:
    heard: list[int] = []
    found = measure_convergence(inference, images[:2], (Rung(3, 2), Rung(2, 1), Rung(1, 3)), advance=heard.append)
    assert [(rung.steps, rung.starts) for rung in found] == [(2, 1), (1, 3), (3, 2)]
    assert sum(heard) == 3 * 2


def test_one_rung_of_the_ladder_is_what_is_served_and_the_last_is_four_times_the_work() -> None:
    (served,) = [rung for rung in LADDER if rung.is_the_certificates]
    assert served.settings == EXACT_INFERENCE
    assert LADDER[-1].cost == 4 * served.cost
    assert [rung.cost for rung in LADDER] == sorted(rung.cost for rung in LADDER)


@pytest.mark.parametrize("rung", LADDER, ids=str)
def test_a_rung_is_read_as_it_is_printed(rung: Rung) -> None:
    assert Rung.parse(f" {rung} ") == rung


@pytest.mark.parametrize("text", ["", "60", "60x", "60x8x1", "-1x2", "six x 8", "0x4", "4x0"])
def test_what_is_no_rung_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        Rung.parse(text)
