import pytest
import torch

from eabs.architecture import PRESETS
from eabs.networks import EABS
from training.discriminative.network import Cnn


@pytest.mark.parametrize("preset", PRESETS)
def test_it_is_the_encoder_with_one_linear_layer_after_it(preset: str) -> None:
    architecture = PRESETS[preset]
    network, model = Cnn(architecture), EABS(architecture)
    network.features.load_state_dict(model.encoder.features.state_dict())
    assert (network.head.in_features, network.head.out_features) == (architecture.encoder_features, 10)
    assert network(torch.zeros(2, *architecture.image)).shape == (2, 10)
