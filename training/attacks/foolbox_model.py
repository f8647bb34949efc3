"""A classifier as Foolbox wants it."""

from foolbox.models.pytorch import PyTorchModel
from torch import Tensor, nn


def foolbox_model(classifier: nn.Module, images: Tensor) -> PyTorchModel:
    """The classifier of [0, 1] images, on the device of `images`."""
    return PyTorchModel(classifier, bounds=(0, 1), device=images.device)
