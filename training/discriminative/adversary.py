"""The attack inside adversarial training: Foolbox's projected gradient descent."""

from torch import Tensor, nn

from training.attacks.as_attacked import as_attacked
from training.discriminative.recipe import AdversarialTraining


def adversarial_examples(network: nn.Module, images: Tensor, labels: Tensor, training: AdversarialTraining) -> Tensor:
    """Images within epsilon of others, and in [0, 1], that the network mistakes for something else if PGD can.

    It costs `training.steps` passes through the network and back; the update with what it found costs one more. The
    random start comes from torch's global generator.

    Args:
        network: images to logits (B, K). Its mode and its parameters' gradients are left as they were.
        images: (B, C, H, W) float32 in [0, 1].
        labels: (B,) int64.
        training: the norm, epsilon, the steps and their size.

    Returns:
        (B, C, H, W) float32, each the last step's image; up to float32's rounding within epsilon.
    """
    # Every command imports this module, and none that does not attack should wait for Foolbox.
    from foolbox.attacks.projected_gradient_descent import (  # noqa: PLC0415
        L2ProjectedGradientDescentAttack,
        LinfProjectedGradientDescentAttack,
    )
    from foolbox.models.pytorch import PyTorchModel  # noqa: PLC0415

    kind = LinfProjectedGradientDescentAttack if training.norm == "linf" else L2ProjectedGradientDescentAttack
    attack = kind(steps=training.steps, rel_stepsize=training.relative_step_size, random_start=True)
    with as_attacked(network):
        model = PyTorchModel(network, bounds=(0, 1), device=images.device)
        found: Tensor = attack.run(model, images, labels, epsilon=training.epsilon)
    return found
