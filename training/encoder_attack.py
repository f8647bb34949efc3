"""Images that the encoder's latents mistake, to train on: an addition to the paper.

Latent inference of few steps ends near where the encoder put it, so an attacker who moves the encoder moves the answer.
Adversarial training (Madry et al., ICLR 2018) of the encoder and the decoders together is what that asks for.
"""

import torch
from torch import Tensor

from eabs.costs import reconstruction_costs
from eabs.networks import SharedEncoderModel
from training.attacks.as_attacked import as_attacked
from training.attacks.classifiers import margins

_CROSSINGS = 2.0
_TINY = 1e-12


def mistaken_by_the_encoder(
    model: SharedEncoderModel, images: Tensor, labels: Tensor, radii: Tensor, *, steps: int, half: bool = False
) -> Tensor:
    """Images within L2 radii of others, and in [0, 1], where the encoder's latents favour another class if they can.

    Projected gradient descent from the images themselves, down the margin between a class's distance from the image and
    the next best one's, which does not saturate as a cross-entropy of squared distances does. A step costs a pass
    through the encoder and all decoders, and back.

    Args:
        model: the networks, whose modes and gradients are left as they were.
        images: (B, C, H, W) in [0, 1].
        labels: (B,) int64.
        radii: (B,), L2 distances over [0, 1] pixels.
        steps: at least 1; together they cross the ball twice.
        half: whether the decoders compute in bfloat16.

    Returns:
        (B, C, H, W), detached.
    """
    radii = radii.view(-1, 1, 1, 1)
    moved = images
    with as_attacked(model):
        for _ in range(steps):
            tracked = moved.detach().requires_grad_()
            latents, _ = model.encoder(tracked)
            with torch.autocast(images.device.type, torch.bfloat16, enabled=half):
                recreations = model.decoders(latents)
            ahead = margins(-reconstruction_costs(tracked, recreations), labels).sum()
            (gradients,) = torch.autograd.grad(ahead, tracked)
            change = tracked.detach() - gradients / _lengths(gradients) * radii * (_CROSSINGS / steps) - images
            moved = (images + change * (radii / _lengths(change)).clamp_max(1)).clamp(0, 1)
    return moved.detach()


def _lengths(changes: Tensor) -> Tensor:
    lengths: Tensor = torch.linalg.vector_norm(changes.flatten(1), dim=1)
    return lengths.clamp_min(_TINY).view(-1, 1, 1, 1)
