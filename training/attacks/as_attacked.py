"""A network in training as an attacker has it."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def as_attacked(network: nn.Module) -> Iterator[None]:
    """The network in evaluation mode, and without gradients of its parameters; afterwards each part is as it was.

    In training mode BatchNorm would tie an image's gradient to its neighbours and would take the statistics of every
    step's images into its running ones, and dropout would make each step's network another one than is attacked later.
    Foolbox differentiates by `backward()`, which would add every step's gradients to the parameters', and compute them.
    """
    modes = [(part, part.training) for part in network.modules()]
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    network.eval()
    for parameter in trained:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in trained:
            parameter.requires_grad_(True)
        for part, mode in modes:
            part.training = mode
