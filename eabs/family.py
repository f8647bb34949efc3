"""The networks of every variant. Inference and training take any of them."""

from eabs.architecture import Architecture
from eabs.class_networks import ClassDiscriminators, ClassModel
from eabs.networks import EABS, SharedEncoderModel
from eabs.variant import Variant

GenerativeModel = SharedEncoderModel | ClassModel


def build(architecture: Architecture, variant: Variant) -> GenerativeModel:
    """The networks that a variant trains, with random weights."""
    if not variant.discriminative:
        return ClassModel(architecture, ClassDiscriminators(architecture) if variant.adversarial else None)
    return EABS(architecture) if variant.adversarial else SharedEncoderModel(architecture)
