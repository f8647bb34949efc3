"""Images that the encoder's latents mistake, to train on: an addition to the paper.

Latent inference of few steps ends near where the encoder put it, so an attacker who moves the encoder moves the answer.
Adversarial training (Madry et al., ICLR 2018) of the encoder and the decoders together is what that asks for.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from eabs.costs import reconstruction_costs
from eabs.networks import SharedEncoderModel
from training.attacks.as_attacked import as_attacked
from training.attacks.ball import Ball
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
    ball = Ball("l2", radii.double().clamp_min(_TINY))
    lengths = radii.view(-1, 1, 1, 1) * (_CROSSINGS / steps)
    moved = images
    with as_attacked(model):
        for _ in range(steps):
            tracked = moved.detach().requires_grad_()
            latents, _ = model.encoder(tracked)
            with torch.autocast(images.device.type, torch.bfloat16, enabled=half):
                recreations = model.decoders(latents)
            ahead = margins(-reconstruction_costs(tracked, recreations), labels).sum()
            (gradients,) = torch.autograd.grad(ahead, tracked)
            moved = ball.confine(images, moved - F.normalize(gradients.flatten(1)).view_as(images) * lengths)
    return moved
