import pytest
import torch
from torch.nn import functional as F

from training.datasets import Dataset, to_unit_range
from training.discriminative.adversary import adversarial_examples
from training.discriminative.network import Cnn
from training.discriminative.recipe import AdversarialTraining
from training.start import Start

ROUNDING = 1e-6
LINF = AdversarialTraining("linf", 0.3, 7, 0.25, "sha256:0")
L2 = AdversarialTraining("l2", 1.5, 7, 0.25, "sha256:0")


@pytest.mark.parametrize("training", [LINF, L2], ids=["linf", "l2"])
def test_what_is_trained_on_lies_in_the_ball_and_raises_every_image_s_loss(
    cnn: Start[Cnn], digits: Dataset, training: AdversarialTraining
) -> None:
    images, labels = to_unit_range(digits.test.images), digits.test.labels
    torch.manual_seed(0)
    found = adversarial_examples(cnn.network, images, labels, training)
    order = torch.inf if training.norm == "linf" else 2
    distances = torch.linalg.vector_norm((found.double() - images.double()).flatten(1), ord=order, dim=1)
    assert distances.max() <= training.epsilon + ROUNDING
    assert distances.min() > 0.5 * training.epsilon
    assert found.min() >= 0
    assert found.max() <= 1
    before, after = (F.cross_entropy(cnn.network(x), labels, reduction="none") for x in (images, found))
    assert (after > before).all()


@pytest.mark.parametrize("training", [LINF, L2], ids=["linf", "l2"])
def test_the_network_stays_as_it_was(cnn: Start[Cnn], digits: Dataset, training: AdversarialTraining) -> None:
    network = cnn.network.requires_grad_(True).train()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    adversarial_examples(network, to_unit_range(digits.test.images), digits.test.labels, training)
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    assert all(module.training for module in network.modules())
    assert all(parameter.requires_grad and parameter.grad is None for parameter in network.parameters())


def test_an_image_s_attack_does_not_depend_on_its_neighbours(cnn: Start[Cnn], digits: Dataset) -> None:
    # As it would where BatchNorm took the batch's statistics.
    network = cnn.network.train()
    images, labels = to_unit_range(digits.test.images), digits.test.labels
    neighbours = torch.cat([images[:1], images.flip(0)[:-1]])

    def first(batch: torch.Tensor) -> torch.Tensor:
        torch.manual_seed(0)
        return adversarial_examples(network, batch, torch.cat([labels[:1], labels.flip(0)[:-1]]), L2)[0]

    torch.testing.assert_close(first(neighbours), first(torch.cat([images[:1], images[1:].roll(1, 0)])))


def test_it_costs_one_pass_a_step(cnn: Start[Cnn], digits: Dataset) -> None:
    passes = []
    cnn.network.register_forward_hook(lambda *_: passes.append(1))
    adversarial_examples(cnn.network, to_unit_range(digits.test.images), digits.test.labels, LINF)
    assert len(passes) == LINF.steps
