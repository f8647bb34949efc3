from benchmarks.adversarial import time_updates
from eabs.architecture import PRESETS


def test_updates_are_timed_with_and_without_an_attack() -> None:
    found = time_updates(PRESETS["mnist"], "l2", steps=(2,), batch=2)
    assert [cost.attack_steps for cost in found] == [0, 2]
    assert found[0].passes == 1
    assert found[1].ms > found[0].ms > 0
