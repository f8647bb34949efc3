"""What an update of adversarial training costs: an attack of n steps, and the update with what it found."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch.nn import functional as F

from eabs.architecture import Architecture
from training.attacks.ball import Norm
from training.discriminative.adversary import adversarial_examples
from training.discriminative.network import Cnn
from training.discriminative.recipe import AdversarialTraining


@dataclass(frozen=True)
class UpdateCost:
    """Milliseconds of one core for an update after an attack of so many steps; 0 is one with the images as they are.

    `passes` is how many such plain updates cost as much.
    """

    attack_steps: int
    ms: float
    passes: float


_REPEATS = 5


def time_updates(
    architecture: Architecture, norm: Norm, *, steps: tuple[int, ...], batch: int = 128, seed: int = 0
) -> list[UpdateCost]:
    """Times updates of a CNN with random weights by random images: neither changes how much is computed.

    What is measured is the process's time on the CPU, with one thread: an update is short, and other programs would
    lengthen its time on the clock.
    """
    torch.manual_seed(seed)
    network = Cnn(architecture).train()
    images, labels = torch.rand(batch, *architecture.image), torch.randint(architecture.classes, (batch,))
    adam = torch.optim.Adam(network.parameters())

    def update(attack_steps: int) -> None:
        attacked = images
        if attack_steps:
            training = AdversarialTraining(norm, 0.1, attack_steps, 0.25, initial_weights="")
            attacked = adversarial_examples(network, images, labels, training)
        loss = F.cross_entropy(network(attacked), labels)
        adam.zero_grad(set_to_none=True)
        loss.backward()
        adam.step()

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        seconds = {count: _cpu_seconds(update, count) for count in (0, *steps)}
    finally:
        torch.set_num_threads(threads)
    return [UpdateCost(count, 1000 * found, found / seconds[0]) for count, found in seconds.items()]


def _cpu_seconds(update: Callable[[int], None], attack_steps: int) -> float:
    """The least of several calls, after one that is not timed."""
    update(attack_steps)
    found = []
    for _ in range(_REPEATS):
        started = time.process_time()
        update(attack_steps)
        found.append(time.process_time() - started)
    return min(found)
