from pathlib import Path

import pytest
import torch

from benchmarks.public_abs import compare_with_public_abs
from eabs.inference import LatentInference
from eabs.networks import EABS
from tests.small_architectures import SMALL_GREY

PUBLIC_CODE = """
import torchvision

def get_VAE(load):
    assert not load
    return lambda images: images.sum()
"""


@pytest.fixture(scope="module")
def inference() -> LatentInference:
    return LatentInference.prepare(EABS(SMALL_GREY).eval(), beta=1.0, seed=0, candidates=8)


def test_both_are_timed_on_the_same_images(inference: LatentInference, tmp_path: Path) -> None:
    (tmp_path / "abs_models").mkdir()
    (tmp_path / "abs_models" / "__init__.py").touch()
    (tmp_path / "abs_models" / "models.py").write_text(PUBLIC_CODE)
    timings = compare_with_public_abs(inference, torch.zeros(2, 1, 28, 28), tmp_path, repeats=1)
    assert {(timing.batch, timing.settings) for timing in timings} >= {(1, "standard"), (50, "standard")}
    assert all(timing.ratio == timing.public_ms / timing.ours_ms for timing in timings)


def test_another_folder_is_refused(inference: LatentInference, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="expected a checkout of bethgelab/AnalysisBySynthesis"):
        compare_with_public_abs(inference, torch.zeros(1, 1, 28, 28), tmp_path)
