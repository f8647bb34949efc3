"""A classifier that is understood: is the mean pixel above one half? What attacks it is known in closed form."""

from dataclasses import replace

import torch
from torch import Tensor, nn

from training.attacks.ball import Ball, Norm
from training.attacks.suites import NamedAttack
from training.robustness.origin import Origin
from training.robustness.plan import Plan
from training.robustness.samples import Samples
from training.robustness.subject import Subject

ORIGIN = Origin("mnist", {}, None, 0.1, 0)
EPSILONS: dict[Norm, float] = {"linf": 0.1, "l2": 0.4}

# Grey levels of 2 x 2 images: their distances to one half are 0.4, 0.2, 0.08, 0.02, 0.01 and 0.3 pixels, and as many
# in linf; in l2 twice that. The last one is labelled wrongly.
LEVELS = (26, 77, 107, 133, 130, 204)
LABELS = (0, 0, 0, 1, 1, 0)


class Brightness(nn.Module):
    """Logits (N, 2): of darkness 0, of brightness how far the mean pixel is above one half."""

    def forward(self, images: Tensor) -> Tensor:
        above = images.flatten(1).mean(1) - 0.5
        return torch.stack([torch.zeros_like(above), above], 1)


def subject() -> Subject:
    network = Brightness().eval()

    def predict(images: Tensor) -> Tensor:
        return network(images).argmax(1)

    return Subject("brightness", "cnn", ORIGIN, {"weights": "none"}, predict, network, torch.device("cpu"))


def samples() -> Samples:
    images = torch.tensor(LEVELS, dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 1, 2, 2).contiguous()
    return Samples(torch.arange(len(LEVELS)), images, torch.tensor(LABELS))


def straight(classifier: nn.Module, images: Tensor, labels: Tensor, ball: Ball) -> Tensor:
    """The best possible attack: towards the other side as far as the ball allows."""
    classifier(images)
    return ball.stride(images, torch.where(labels == 0, 1.0, -1.0).view(-1, 1, 1, 1).expand_as(images))


class Draws:
    """An attack with a seed: it moves every pixel at random, as far as the ball allows."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def __call__(self, _: nn.Module, images: Tensor, __: Tensor, ball: Ball) -> Tensor:
        noise = torch.rand(images.shape, generator=torch.Generator().manual_seed(self.seed)) - 0.4
        return ball.stride(images, noise)


def attacks(seed: int) -> list[NamedAttack]:
    return [
        NamedAttack("pgd-linf", "linf", straight, {"steps": 1}),
        NamedAttack("pgd-l2", "l2", straight, {"steps": 1}),
        NamedAttack("noise-linf", "linf", Draws(seed), {}),
    ]


def plan(**changes: object) -> Plan:
    return replace(Plan(attacks, EPSILONS, batch=2), **changes)  # type: ignore[arg-type]
