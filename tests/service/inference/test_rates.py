import pytest

from eabs.certificates.smoothing import SmoothingSettings
from eabs.settings import QuasiNewtonSettings
from service.inference.rates import UNMEASURED_S, Rates
from service.jobs import CertifySmoothing, Classify

QUICK = Classify("model", QuasiNewtonSettings(steps=1))
SLOW = Classify("model", QuasiNewtonSettings(steps=60, starts=8))


def smoothing(*, n: int, seed: int) -> CertifySmoothing:
    return CertifySmoothing("model", SmoothingSettings(n0=100, n=n, seed=seed), "finite-bank")


def test_what_was_never_measured_has_a_default() -> None:
    assert Rates().seconds_per_image(QUICK) == UNMEASURED_S


def test_each_job_has_its_own_rate() -> None:
    rates = Rates()
    rates.observe(QUICK, 4, 0.02)
    rates.observe(SLOW, 2, 1.6)
    assert rates.seconds_per_image(QUICK) == pytest.approx(0.005)
    assert rates.seconds_per_image(SLOW) == pytest.approx(0.8)


def test_the_recent_past_counts_and_one_odd_batch_does_not() -> None:
    rates = Rates()
    rates.observe(QUICK, 1, 0.01)
    rates.observe(QUICK, 1, 0.1)
    assert rates.seconds_per_image(QUICK) < 0.05
    for _ in range(30):
        rates.observe(QUICK, 1, 0.1)
    assert rates.seconds_per_image(QUICK) == pytest.approx(0.1, rel=0.01)


def test_certificates_with_other_seeds_and_more_samples_are_estimated_by_what_a_sample_took() -> None:
    rates = Rates()
    rates.observe(smoothing(n=900, seed=1), 1, 0.5)
    assert rates.seconds_per_image(smoothing(n=9900, seed=2)) == pytest.approx(5.0)


def test_a_queue_of_certificates_is_not_a_queue_of_classifications() -> None:
    rates = Rates()
    rates.observe(QUICK, 1, 0.01)
    rates.observe(SLOW, 1, 1.0)
    assert rates.seconds_for([(QUICK, 100), (SLOW, 5)], places=2) == pytest.approx(3.0)


def test_it_remembers_a_bounded_number_of_kinds() -> None:
    rates = Rates()
    for number in range(1000):
        rates.observe(Classify(str(number), QUICK.settings), 1, 5.0)
    assert rates.seconds_per_image(Classify("0", QUICK.settings)) == UNMEASURED_S
    assert rates.seconds_per_image(Classify("999", QUICK.settings)) == 5.0
