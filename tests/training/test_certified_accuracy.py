import pytest
import torch
from torch import Tensor

from eabs.certificates.finite_bank import certify_finite_bank
from eabs.certificates.smoothing import ABSTAIN
from tests.training.attacks.toy_bank import toy_bank, toy_images, toy_pixels
from training.certified_accuracy import RADII, Certify, measure_bank, measure_certified_accuracy
from training.datasets import Split


def answering(predictions: list[int], radii: list[float]) -> Certify:
    """A certificate that knows its answers by heart and gives them in order."""
    answers = iter(zip(predictions, radii, strict=True))

    def certify(images: Tensor) -> tuple[Tensor, Tensor]:
        given, found = zip(*(next(answers) for _ in images), strict=True)
        return torch.tensor(given), torch.tensor(found)

    return certify


def labelled(*labels: int) -> Split:
    return Split(toy_pixels(len(labels)), torch.tensor(labels))


def test_an_image_counts_up_to_its_own_radius() -> None:
    found = measure_certified_accuracy(answering([0, 1, 2, 3], [0.25, 0.3, 1.5, 2.0]), labelled(0, 1, 2, 3))
    assert found.certified == {0.25: 1.0, 0.5: 0.5, 1.0: 0.5, 1.5: 0.5, 1.58: 0.25}
    assert (found.images, found.clean, found.abstained) == (4, 1.0, 0.0)


def test_a_wrong_prediction_certifies_nothing_however_large_its_radius() -> None:
    found = measure_certified_accuracy(answering([1, 1], [9.0, 0.5]), labelled(0, 1))
    assert (found.clean, found.abstained) == (0.5, 0.0)
    assert found.certified == {0.25: 0.5, 0.5: 0.5, 1.0: 0.0, 1.5: 0.0, 1.58: 0.0}


def test_a_right_prediction_without_a_radius_is_clean_and_certified_nowhere() -> None:
    found = measure_certified_accuracy(answering([0], [0.0]), labelled(0))
    assert found.clean == 1
    assert found.certified == dict.fromkeys(RADII, 0.0)


def test_an_abstention_is_counted_and_is_not_right() -> None:
    found = measure_certified_accuracy(answering([ABSTAIN, 2, 0], [0.0, 1.0, 0.0]), labelled(1, 2, 3))
    assert found.abstained == pytest.approx(1 / 3)
    assert found.clean == pytest.approx(1 / 3)


def test_the_median_radius_takes_wrong_predictions_for_zero() -> None:
    found = measure_certified_accuracy(answering([0, 0, 0], [4.0, 1.0, 2.0]), labelled(1, 0, 0))
    assert found.median_radius == 1.0


def test_images_come_in_batches_in_the_unit_range_and_each_batch_is_reported() -> None:
    seen: list[Tensor] = []
    heard: list[int] = []

    def certify(images: Tensor) -> tuple[Tensor, Tensor]:
        seen.append(images)
        return torch.zeros(len(images), dtype=torch.int64), torch.ones(len(images))

    measure_certified_accuracy(certify, labelled(*[0] * 7), batch=3, advance=heard.append)
    assert heard == [3, 3, 1]
    assert torch.equal(torch.cat(seen), toy_images(7))


def test_a_bank_is_measured_by_its_own_certificate() -> None:
    bank = toy_bank()
    expected = certify_finite_bank(bank, toy_images(70))
    split = Split(toy_pixels(70), expected.predictions)
    heard: list[int] = []
    found = measure_bank(bank, split, heard.append)
    assert (found.clean, found.abstained, sum(heard)) == (1.0, 0.0, 70)
    assert found.median_radius == expected.radii.median().item()
    assert found.certified == {radius: (expected.radii >= radius).double().mean().item() for radius in RADII}


def test_a_split_without_images_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one image"):
        measure_certified_accuracy(answering([], []), Split(toy_pixels(1)[:0], torch.tensor([], dtype=torch.int64)))
