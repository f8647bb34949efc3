"""What a bank can be made of without training: samples of the prior, training images, and re-creations of them."""

import torch
from torch import Tensor
from torch.nn import functional as F

from eabs.decoding import FoldedDecoders
from eabs.inference import LatentInference
from eabs.networks import EABS
from eabs.prototypes import PrototypeBank
from training.datasets import Split, to_unit_range

_BATCH = 16  # a CPU core's cache holds the features of so many


def bank_of_the_prior(inference: LatentInference) -> PrototypeBank:
    """The candidate bank whole: every class's image of every candidate, with its penalty for o_p."""
    candidates, K = inference.bank, inference.architecture.classes
    batches = candidates.latents.split(_BATCH)
    images = torch.cat([inference.decoders.decode(z[:, None].expand(-1, K, -1)) for z in batches])
    return PrototypeBank.of_images(
        images.transpose(0, 1).flatten(0, 1),
        candidates.penalties.expand(K, -1).flatten(),
        torch.arange(K, device=images.device).repeat_interleave(len(candidates)),
    )


def bank_of_images(split: Split) -> PrototypeBank:
    """The images of a split themselves: the plain nearest-neighbour classifier."""
    return _in_class_order(to_unit_range(split.images), split.labels)


def bank_of_recreations(model: EABS, split: Split) -> PrototypeBank:
    """What each image's own class makes of the encoder's mean for it."""
    return _in_class_order(recreations(model, split), split.labels)


@torch.inference_mode()
def recreations(model: EABS, split: Split) -> Tensor:
    """G_y(mu(x)) of every image, float32 (N, C, H, W)."""
    decoders = FoldedDecoders.fold(model.decoders)
    found = torch.empty(split.images.shape)
    for k in range(model.architecture.classes):
        # Two groups of the same decoder: half the rows each.
        own = decoders.select(torch.tensor([k, k], device=decoders.device))
        for indices in (split.labels == k).nonzero().squeeze(1).split(_BATCH):
            mean, _ = model.encoder(to_unit_range(split.images[indices]))
            rows = F.pad(mean, (0, 0, 0, len(mean) % 2)).unflatten(0, (-1, 2))
            found[indices] = own.decode(rows).flatten(0, 1)[: len(mean)]
    return found


def _in_class_order(images: Tensor, labels: Tensor) -> PrototypeBank:
    order = labels.argsort(stable=True)
    return PrototypeBank.of_images(images[order], torch.zeros(len(labels), device=images.device), labels[order])
