import pytest
import torch
from torch import Tensor

from eabs.costs import reconstruction_costs
from eabs.networks import EABS
from tests.training.conftest import Trained
from training.architectures import ARCHITECTURES
from training.attacks.classifiers import margins
from training.encoder_attack import mistaken_by_the_encoder

ROUNDING = 1e-5


@pytest.fixture
def model() -> EABS:
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        return EABS(ARCHITECTURES["mnist"])


def margins_of(model: EABS, images: Tensor, labels: Tensor) -> Tensor:
    with torch.no_grad():
        return margins(-reconstruction_costs(images, model.decoders(model.encoder(images)[0])), labels)


def test_each_image_moves_within_its_own_radius_to_where_its_margin_is_smaller(model: EABS, digits: Trained) -> None:
    images, labels = digits.images, digits.labels
    radii = torch.linspace(0, 2, len(images))
    found = mistaken_by_the_encoder(model, images, labels, radii, steps=4)
    distances = (found - images).flatten(1).norm(dim=1)
    assert torch.equal(found[0], images[0])
    assert (distances <= radii + ROUNDING).all()
    assert (distances[1:] > 0.5 * radii[1:]).all()
    assert found.min() >= 0
    assert found.max() <= 1
    model.eval()
    assert (margins_of(model, found, labels) < margins_of(model, images, labels))[1:].all()


def test_the_networks_stay_as_they_were(model: EABS, digits: Trained) -> None:
    model.train().decoders.eval()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    mistaken_by_the_encoder(model, digits.images, digits.labels, torch.ones(20), steps=1)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert all(part.training for part in model.encoder.modules())
    assert not any(part.training for part in model.decoders.modules())
    assert all(parameter.requires_grad and parameter.grad is None for parameter in model.parameters())
