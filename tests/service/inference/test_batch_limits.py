from eabs.certificates.smoothing import SmoothingSettings
from eabs.settings import QuasiNewtonSettings
from service.inference.batch_limits import RECOVERY_S, BatchLimits
from service.jobs import CertifySmoothing, Classify

JOB = Classify("model", QuasiNewtonSettings(steps=1))
OTHER = Classify("model", QuasiNewtonSettings(steps=2))
WIDE = Classify("model", QuasiNewtonSettings(steps=1, starts=8))


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def limits(max_lanes: int = 64) -> tuple[BatchLimits, Clock]:
    clock = Clock()
    return BatchLimits(max_lanes=max_lanes, clock=clock), clock


def test_images_with_more_lanes_make_smaller_batches() -> None:
    tested, _ = limits()
    assert (tested.images(JOB), tested.images(WIDE)) == (64, 8)


def test_one_image_is_always_allowed() -> None:
    tested, _ = limits(max_lanes=4)
    assert tested.images(WIDE) == 1


def test_what_did_not_fit_halves_the_limit_of_its_job_alone() -> None:
    tested, _ = limits()
    tested.did_not_fit(JOB, 64)
    tested.did_not_fit(JOB, 32)
    assert (tested.images(JOB), tested.images(OTHER)) == (16, 64)


def test_a_late_word_of_a_larger_batch_does_not_raise_the_limit() -> None:
    tested, _ = limits()
    tested.did_not_fit(JOB, 16)
    tested.did_not_fit(JOB, 64)
    assert tested.images(JOB) == 8


def test_a_single_image_that_does_not_fit_says_nothing_about_batches() -> None:
    tested, _ = limits()
    tested.did_not_fit(JOB, 1)
    assert tested.images(JOB) == 64


def test_the_limit_doubles_after_each_quiet_time_up_to_what_is_allowed() -> None:
    tested, clock = limits()
    tested.did_not_fit(JOB, 32)
    seen = []
    for _ in range(4):
        seen.append(tested.images(JOB))
        clock.now += RECOVERY_S
    assert seen == [16, 32, 64, 64]


def test_a_step_too_far_starts_the_quiet_time_again() -> None:
    tested, clock = limits()
    tested.did_not_fit(JOB, 32)
    clock.now += RECOVERY_S
    tested.did_not_fit(JOB, 32)
    clock.now += RECOVERY_S / 2
    assert tested.images(JOB) == 16


def test_a_year_later_everything_is_allowed_again() -> None:
    tested, clock = limits()
    tested.did_not_fit(JOB, 32)
    clock.now += 365 * 86400
    assert tested.images(JOB) == 64


def test_smoothing_with_another_seed_is_the_same_work() -> None:
    def smoothing(seed: int) -> CertifySmoothing:
        return CertifySmoothing("model", SmoothingSettings(n0=10, n=90, seed=seed), "finite-bank")

    tested, _ = limits(max_lanes=1000)
    tested.did_not_fit(smoothing(1), 8)
    assert tested.images(smoothing(2)) == 4
