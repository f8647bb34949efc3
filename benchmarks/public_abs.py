"""Ours beside the public code of ABS (Schott, Rauber, Bethge & Brendel, ICLR 2019), in one run on the same cores.

The code is not ours and not part of this project: bring a checkout of bethgelab/AnalysisBySynthesis. Its decoders are
smaller than those of E-ABS; its weights do not matter for its speed and stay random.
"""

import sys
import types
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from benchmarks.machine import best_seconds
from eabs.inference import LatentInference
from eabs.settings import EFFORTS, PAPER_SETTINGS, InferenceSettings, QuasiNewtonSettings

_BATCHES = (1, 50)
_SMALLER_GAP = "every class, as many steps as fast"


@dataclass(frozen=True)
class AbsTiming:
    """Milliseconds an image of the public code with 50 steps, and of one of our settings."""

    batch: int
    settings: str
    public_ms: float
    ours_ms: float

    @property
    def ratio(self) -> float:
        """How many times our images per second."""
        return self.public_ms / self.ours_ms


def compare_with_public_abs(
    inference: LatentInference, images: torch.Tensor, checkout: Path, *, repeats: int = 2
) -> list[AbsTiming]:
    """Times both on images (B, 1, 28, 28), one at a time and 50 at once.

    Raises:
        FileNotFoundError: `checkout` is none of the public code.
    """
    model = _public_model(checkout)
    ways: dict[str, InferenceSettings] = {
        **{str(name): effort for name, effort in EFFORTS.items()},
        _SMALLER_GAP: QuasiNewtonSettings(steps=EFFORTS["fast"].steps),
        "the paper's Adam": PAPER_SETTINGS,
    }
    timings = []
    for batch in _BATCHES:
        part = images[:batch]
        public_ms = 1e3 * best_seconds(partial(model, part), repeats=repeats) / batch
        for name, settings in ways.items():
            seconds = best_seconds(partial(inference.infer, part, settings), repeats=repeats)
            timings.append(AbsTiming(batch, name, public_ms, 1e3 * seconds / batch))
    return timings


def _public_model(checkout: Path) -> Callable[[torch.Tensor], Any]:
    if not (checkout / "abs_models" / "models.py").is_file():
        raise FileNotFoundError(f"expected a checkout of bethgelab/AnalysisBySynthesis, got {checkout}")
    # It imports torchvision for data that is not used here.
    torchvision: Any = types.ModuleType("torchvision")
    torchvision.datasets = torchvision.transforms = types.ModuleType("unused")
    sys.modules.setdefault("torchvision", torchvision)
    sys.path.insert(0, str(checkout))
    try:
        from abs_models import models  # type: ignore[import-not-found]  # noqa: PLC0415
    finally:
        sys.path.remove(str(checkout))
    model: Callable[[torch.Tensor], Any] = models.get_VAE(load=False)
    return model
