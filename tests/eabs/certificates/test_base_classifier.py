import pytest
import torch
from torch import Tensor

from eabs.certificates.base_classifier import base_classifier
from eabs.inference import LatentInference
from eabs.networks import EABS
from eabs.prototypes import PrototypeBank
from eabs.settings import EFFORTS


@pytest.fixture
def inference(toy: EABS) -> LatentInference:
    return LatentInference.prepare(toy, beta=1.0, seed=0, candidates=100)


def test_of_a_model_with_a_bank_it_is_the_nearest_prototype(
    inference: LatentInference, toy_images: tuple[Tensor, Tensor]
) -> None:
    images = toy_images[0]
    # Eight prototypes a class, whatever latent inference finds of them.
    bank = PrototypeBank.of_images(images, torch.zeros(len(images)), torch.arange(3).repeat_interleave(8))

    assert torch.equal(base_classifier(inference, bank)(images), bank.classes)


def test_without_a_bank_it_is_fast_latent_inference(
    inference: LatentInference, toy_images: tuple[Tensor, Tensor]
) -> None:
    images = toy_images[0]

    expected = inference.infer(images, EFFORTS["fast"]).predictions
    assert torch.equal(base_classifier(inference, None)(images), expected)
