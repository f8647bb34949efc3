import pytest

from eabs.settings import AdamSettings, QuasiNewtonSettings


def test_the_learning_rate_falls_linearly_to_its_final_fraction() -> None:
    settings = AdamSettings(steps=5, learning_rate=0.2, final_fraction=0.5)
    assert [settings.learning_rate_at(t) for t in range(5)] == pytest.approx([0.2, 0.175, 0.15, 0.125, 0.1])


def test_settings_without_a_start_are_refused() -> None:
    with pytest.raises(ValueError, match="starts: expected a positive count, got 0"):
        QuasiNewtonSettings(steps=1, starts=0)
