import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor, nn

from eabs.certificates.smoothing import (
    ABSTAIN,
    SAMPLES_AT_ONCE,
    Predict,
    SmoothingSettings,
    certify_by_smoothing,
    predict_by_smoothing,
)

WEIGHTS = torch.arange(1.0, 17).view(1, 4, 4) / torch.arange(1.0, 17).norm()
QUICK = SmoothingSettings(sigma=0.5, n0=50, n=1000, alpha=0.001, seed=3)


def linear(images: Tensor) -> Tensor:
    """Class 1 above the plane WEIGHTS . x = 1. WEIGHTS is of length 1, so that g's radius is the distance to it."""
    return ((images * WEIGHTS).sum((1, 2, 3)) > 1).long()


def at_distance(*distances: float) -> Tensor:
    """Images (B, 1, 4, 4) at signed distances from the plane of `linear`."""
    return torch.stack([(1 + distance) * WEIGHTS for distance in distances])


def slab(images: Tensor) -> Tensor:
    """Class 1 where the first pixel is within 0.6 of 0.5; no plane, so that the radius is not tight."""
    return ((images[:, 0, 0, 0] - 0.5).abs() < 0.6).long()


def slab_probability(pixel: np.ndarray, sigma: float) -> np.ndarray:
    """P(slab(x + noise) = 1) for a first pixel."""
    return stats.norm.cdf((1.1 - pixel) / sigma) - stats.norm.cdf((-0.1 - pixel) / sigma)


def constant(answer: int) -> Predict:
    return lambda images: torch.full((len(images),), answer)


def radius_error(probability: Tensor, n: int, sigma: float) -> Tensor:
    """Standard deviation of sigma * Phi^-1 of a share of n samples: the share's, times the slope of Phi^-1."""
    p = probability.double().numpy()
    return torch.from_numpy(sigma * np.sqrt(p * (1 - p) / n) / stats.norm.pdf(stats.norm.ppf(p)))


class Recorder:
    """A classifier that keeps what it was shown."""

    def __init__(self, predict: Predict) -> None:
        self.predict = predict
        self.seen: list[Tensor] = []

    def __call__(self, images: Tensor) -> Tensor:
        self.seen.append(images.clone())
        return self.predict(images)


def test_certified_radii_are_beyond_the_true_distance_no_more_often_than_alpha() -> None:
    distances = torch.tensor([0.1, -0.3, 0.5, -0.7])
    alpha, seeds = 0.02, 250
    beyond = torch.zeros(len(distances))
    for seed in range(seeds):
        settings = replace(QUICK, alpha=alpha, seed=seed)
        certificate = certify_by_smoothing(linear, at_distance(*distances.tolist()), settings, classes=2)
        certified = certificate.predictions != ABSTAIN
        right = certificate.predictions == (distances > 0)
        beyond += certified & ~(right & (certificate.radii <= distances.abs()))
    # More failures than this would come once in ten thousand times, if each came with probability alpha.
    assert beyond.max() <= stats.binom.isf(1e-4, seeds, alpha)


def test_certified_radii_are_near_the_true_distance_with_many_samples() -> None:
    distances = torch.tensor([0.1, -0.4, 0.8])
    settings = replace(QUICK, n=100_000)
    certificate = certify_by_smoothing(linear, at_distance(*distances.tolist()), settings, classes=2)
    assert certificate.predictions.tolist() == [1, 0, 1]
    # At alpha = 0.001 the bound is 3.1 standard deviations below the share, which is within 4 of the truth.
    error = radius_error(torch.from_numpy(stats.norm.cdf(distances.abs() / settings.sigma)), settings.n, settings.sigma)
    assert (certificate.radii > distances.abs() - 7.1 * error).all()
    assert (7.1 * error < 0.04).all(), "the tolerance is too wide to test anything"


def test_no_perturbation_inside_the_radius_changes_the_smoothed_prediction() -> None:
    images = torch.rand(12, 1, 4, 4, generator=torch.Generator().manual_seed(5))
    images[:, 0, 0, 0] = torch.linspace(-0.3, 1.3, 12)
    certificate = certify_by_smoothing(slab, images, QUICK, classes=2)
    certified = certificate.predictions != ABSTAIN
    for image, y, radius in zip(images, certificate.predictions, certificate.radii, strict=True):
        # Only the first pixel matters, so that these are all the perturbations of an L2 size up to the radius.
        pixel = image[0, 0, 0].item() + radius.item() * np.linspace(-1, 1, 201)
        if y != ABSTAIN:
            assert ((slab_probability(pixel, QUICK.sigma) > 0.5) == bool(y)).all()
    assert set(certificate.predictions[certified].tolist()) == {0, 1}
    assert certified.sum() > 8


def test_one_and_a_half_times_the_radius_does_change_smoothed_predictions() -> None:
    images = at_distance(0.3, -0.6)
    certificate = certify_by_smoothing(linear, images, QUICK, classes=2)
    attacked = images + (1.5 * certificate.radii * torch.tensor([-1, 1]))[:, None, None, None] * WEIGHTS
    assert certificate.predictions.tolist() == [1, 0]
    assert linear(attacked.float()).tolist() == [0, 1]


def test_abstains_on_the_boundary() -> None:
    certificate = certify_by_smoothing(linear, at_distance(0.0), QUICK, classes=2)
    assert certificate.predictions.tolist() == [ABSTAIN]
    assert certificate.radii.tolist() == [0]
    assert 0.4 < certificate.probabilities.item() <= 0.5
    assert certificate.selected.item() in {0, 1}


def test_agreement_of_all_samples_gives_the_largest_radius() -> None:
    certificate = certify_by_smoothing(constant(2), torch.zeros(1, 1, 4, 4), QUICK, classes=4)
    assert certificate.predictions.tolist() == [2]
    assert certificate.counts.tolist() == [[0, 0, QUICK.n, 0]]
    assert certificate.radii.item() == QUICK.largest_radius
    assert QUICK.largest_radius == pytest.approx(0.5 * stats.norm.ppf(0.001 ** (1 / 1000)))


def test_too_few_samples_can_certify_nothing() -> None:
    # Nine agreeing samples are as likely as 0.001 at a probability of 0.46, ten at 0.501.
    assert SmoothingSettings(n=9).largest_radius == 0
    assert SmoothingSettings(n=10).largest_radius > 0


def test_an_image_has_the_same_answer_alone_and_in_a_batch() -> None:
    images = at_distance(0.2, -0.1, 0.0, 0.4)
    together = certify_by_smoothing(linear, images, QUICK, classes=2)
    predictions = predict_by_smoothing(linear, images, QUICK, classes=2)
    for index in range(len(images)):
        alone = certify_by_smoothing(linear, images[index : index + 1], QUICK, classes=2)
        for name in ("predictions", "radii", "probabilities", "selected", "counts"):
            assert torch.equal(getattr(alone, name)[0], getattr(together, name)[index])
        assert predict_by_smoothing(linear, images[index : index + 1], QUICK, classes=2)[0] == predictions[index]


def test_another_seed_draws_other_noise() -> None:
    images = at_distance(0.1)
    counts = [certify_by_smoothing(linear, images, replace(QUICK, seed=s), classes=2).counts for s in (0, 0, 1)]
    assert torch.equal(counts[0], counts[1])
    assert not torch.equal(counts[0], counts[2])


def test_selection_samples_are_not_estimation_samples() -> None:
    recorder = Recorder(constant(0))
    certify_by_smoothing(recorder, torch.zeros(1, 1, 4, 4), replace(QUICK, n=2500), classes=2)
    assert len(torch.cat(recorder.seen).flatten(1).unique(dim=0)) == QUICK.n0 + 2500


def test_the_class_that_selection_chose_is_the_one_whose_probability_is_estimated() -> None:
    recorder = Recorder(lambda images: torch.full((len(images),), int(len(recorder.seen) > 1)))
    certificate = certify_by_smoothing(recorder, torch.zeros(1, 1, 4, 4), QUICK, classes=2)
    assert certificate.selected.tolist() == [0]
    assert certificate.counts.tolist() == [[0, QUICK.n]]
    assert certificate.probabilities.tolist() == [0]
    assert certificate.predictions.tolist() == [ABSTAIN]


def test_the_classifier_sees_no_more_than_a_bounded_number_of_images_at_once() -> None:
    recorder = Recorder(constant(0))
    certify_by_smoothing(recorder, torch.zeros(2, 1, 4, 4), replace(QUICK, n0=1100, n=2500), classes=2)
    sizes = [len(images) for images in recorder.seen]
    assert max(sizes) == SAMPLES_AT_ONCE
    assert sum(sizes) == 2 * (1100 + 2500)


def test_noise_is_gaussian_of_sigma_and_is_not_clipped() -> None:
    recorder = Recorder(constant(0))
    image = torch.rand(1, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    certify_by_smoothing(recorder, image, replace(QUICK, n=5000, sigma=0.7), classes=2)
    noise = ((torch.cat(recorder.seen) - image) / 0.7).flatten()
    # The Kolmogorov-Smirnov distance of N true samples is above 2 / sqrt(N) once in 1,500 times.
    assert stats.kstest(noise.numpy(), "norm").statistic < 2 / math.sqrt(len(noise))


def test_no_images_have_no_certificates() -> None:
    certificate = certify_by_smoothing(linear, torch.zeros(0, 1, 4, 4), QUICK, classes=2)
    assert certificate.predictions.shape == certificate.radii.shape == (0,)
    assert certificate.counts.shape == (0, 2)
    assert predict_by_smoothing(linear, torch.zeros(0, 1, 4, 4), QUICK, classes=2).shape == (0,)


def test_predict_answers_the_smoothed_classifiers_class_and_abstains_on_the_boundary() -> None:
    predictions = predict_by_smoothing(linear, at_distance(0.3, -0.3, 0.0), QUICK, classes=2)
    assert predictions.tolist() == [1, 0, ABSTAIN]
    assert predictions.dtype == torch.int64


def test_predict_answers_a_class_that_is_first_with_less_than_half_of_the_samples() -> None:
    """Certification needs more than one half, prediction only a clear lead."""

    def thirds(images: Tensor) -> Tensor:
        ranks = torch.arange(len(images)) % 20
        return (ranks >= 9).long() + (ranks >= 15).long()

    image = torch.zeros(1, 1, 4, 4)
    assert predict_by_smoothing(thirds, image, QUICK, classes=3).tolist() == [0]
    assert certify_by_smoothing(thirds, image, QUICK, classes=3).predictions.tolist() == [ABSTAIN]


@pytest.mark.parametrize(("alpha", "answer"), [(0.022, 0), (0.021, ABSTAIN)])
def test_predict_abstains_where_the_test_is_above_alpha(alpha: float, answer: int) -> None:
    # Nine of ten against one: (1 + 10 + 10 + 1) / 1024 = 0.0215.
    settings = replace(QUICK, n=10, alpha=alpha)
    once = torch.tensor([1] + 9 * [0])
    assert predict_by_smoothing(lambda _: once, torch.zeros(1, 1, 4, 4), settings, classes=2).tolist() == [answer]


def test_predict_is_wrong_no_more_often_than_alpha() -> None:
    settings = replace(QUICK, n=100, alpha=0.1)
    seeds = 500
    image = at_distance(0.02)
    answers = [predict_by_smoothing(linear, image, replace(settings, seed=s), classes=2).item() for s in range(seeds)]
    assert answers.count(0) <= stats.binom.isf(1e-4, seeds, settings.alpha)
    assert answers.count(0) > 0
    assert answers.count(1) > answers.count(0), "the image is too near to the boundary to test anything"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("sigma", value) for value in (0.0, -1.0, math.inf, math.nan)),
        *(("n0", value) for value in (0, -1)),
        *(("n", value) for value in (0, -1)),
        *(("alpha", value) for value in (0.0, 1.0, -0.1, math.nan, 1 - 1e-16)),
        *(("seed", value) for value in (-1, 2**63)),
    ],
)
def test_settings_name_what_they_expected(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"^{name}: expected .*, got {value}"):
        replace(SmoothingSettings(), **{name: value})


def test_the_largest_seed_is_accepted() -> None:
    settings = replace(QUICK, seed=2**63 - 1)
    assert certify_by_smoothing(constant(0), torch.zeros(1, 1, 4, 4), settings, classes=2).predictions.tolist() == [0]


@pytest.mark.parametrize("images", [torch.zeros(1, 4, 4), torch.zeros(1, 1, 4, 4, dtype=torch.float64)])
def test_images_of_another_shape_or_type_are_refused(images: Tensor) -> None:
    for method in (certify_by_smoothing, predict_by_smoothing):
        with pytest.raises(ValueError, match=r"images: expected \(B, C, H, W\) float32, got"):
            method(linear, images, QUICK, classes=2)


def test_a_single_class_is_refused() -> None:
    with pytest.raises(ValueError, match="classes: expected at least 2, got 1"):
        certify_by_smoothing(constant(0), torch.zeros(1, 1, 4, 4), QUICK, classes=1)


@pytest.mark.parametrize(
    ("predict", "message"),
    [
        (lambda images: torch.zeros(len(images), 2), r"expected \(50,\) int64, got \(50, 2\) torch.float32"),
        (lambda images: torch.zeros(len(images)), r"expected \(50,\) int64, got \(50,\) torch.float32"),
        (constant(2), "expected classes 0 to 1, got 2 to 2"),
        (constant(-1), "expected classes 0 to 1, got -1 to -1"),
    ],
)
def test_a_classifier_that_answers_no_class_indices_is_refused(predict: Predict, message: str) -> None:
    with pytest.raises(ValueError, match=f"predict: {message}"):
        certify_by_smoothing(predict, torch.zeros(1, 1, 4, 4), QUICK, classes=2)


def test_agrees_with_the_adversarial_robustness_toolbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Its import writes a folder into the home.
    monkeypatch.setenv("HOME", str(tmp_path))
    from art.estimators.certification.randomized_smoothing import PyTorchRandomizedSmoothing

    torch.manual_seed(2)
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 6 * 6, 5)).eval()
    images = torch.rand(30, 1, 8, 8)
    settings = SmoothingSettings(sigma=0.25, n0=1000, n=10_000, alpha=0.001)
    toolbox = PyTorchRandomizedSmoothing(
        model,
        nn.CrossEntropyLoss(),
        input_shape=(1, 8, 8),
        nb_classes=5,
        device_type="cpu",
        sample_size=settings.n0,
        scale=settings.sigma,
        alpha=settings.alpha,
    )
    np.random.seed(0)  # the toolbox's noise comes from numpy's global generator
    predictions, radii = map(torch.from_numpy, toolbox.certify(images.numpy(), settings.n, batch_size=1000))
    with torch.inference_mode():
        ours = certify_by_smoothing(lambda noisy: model(noisy).argmax(1), images, settings, classes=5)

    # Each radius comes from a share of n samples, and the difference of two shares has sqrt(2) of one's error. The
    # slope is taken at the share, where it is steeper than at the bound below it. Five standard deviations.
    share = ours.counts.gather(1, ours.selected[:, None]).squeeze(1) / settings.n
    tolerance = 5 * math.sqrt(2) * radius_error(share, settings.n, settings.sigma)
    # What is as near as that to one half may be certified by one of the two alone.
    signed_radii = settings.sigma * torch.special.ndtri(ours.probabilities)
    certified, hopeless = signed_radii > tolerance, signed_radii < -tolerance
    assert torch.equal(ours.predictions[certified], predictions[certified])
    assert ((ours.radii - radii).abs() <= tolerance)[certified].all()
    assert (predictions[hopeless] == ABSTAIN).all()
    assert certified.sum() >= 15
    assert hopeless.sum() >= 3
    assert ours.predictions[certified].unique().numel() >= 3
