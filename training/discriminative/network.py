"""The network of every discriminative kind: E-ABS's encoder with a linear layer after it (section 4.3)."""

import torch
from torch import Tensor, nn

from eabs.architecture import Architecture
from eabs.networks import convolutions


class Cnn(nn.Module):
    """The encoder's convolutions of Table 9 and a linear layer."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.features = convolutions(architecture)
        self.head = nn.Linear(architecture.encoder_features, architecture.classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, K) of images (B, C, H, W), float in [0, 1]."""
        logits: Tensor = self.head(self.features(images.contiguous(memory_format=torch.channels_last)))
        return logits
