"""A classifier under test, and what is known of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from training.attacks.binarised import Binarised, binarise
from training.robustness.origin import Origin


@dataclass(frozen=True)
class Subject:
    """A classifier under test. Images are (B, C, H, W) float32 in [0, 1].

    - `name` and `kind` (e-abs, cnn, ...): what tables call it.
    - `dataset`: what it classifies, as `eabs train` names it; `origin`: what it was trained on.
    - `identity`: for reports, all that tells it from another one: its version or training, its weights' digest, how
      it answers (`served`) and what attacks see of it (`attacked`).
    - `predict`: images, on any device, to the answers (B,) int64 on the CPU that users get. They have the last word.
    - `logits`: what attacks see: images (B, C, H, W) on `device` to logits (B, K), differentiable with respect to the
      images. They need not agree with `predict`.
    """

    name: str
    kind: str
    origin: Origin
    identity: Mapping[str, Any]
    predict: Callable[[Tensor], Tensor]
    logits: nn.Module
    device: torch.device

    def binarised(self) -> "Subject":
        """The same classifier behind images made black and white (`training/attacks/binarised.py`)."""
        return replace(
            self,
            name=f"{self.name}-binarised",
            identity={**self.identity, "input": "binarised at 0.5"},
            predict=lambda images: self.predict(binarise(images)),
            logits=Binarised(self.logits),
        )

    @property
    def dataset(self) -> str:
        """The data set's name."""
        return self.origin.dataset
