"""What randomised smoothing smooths of a model."""

from eabs.certificates.smoothing import Predict
from eabs.inference import LatentInference
from eabs.prototypes import PrototypeBank
from eabs.settings import EFFORTS


def base_classifier(inference: LatentInference, bank: PrototypeBank | None) -> Predict:
    """The bank's nearest prototype, or latent inference of effort `fast` where there is none."""
    if bank is not None:
        return lambda images: bank.classify(images).predictions
    return lambda images: inference.infer(images, EFFORTS["fast"]).predictions
