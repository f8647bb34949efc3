"""How well a model in training would serve: accuracy on held-out images by latent inference."""

from dataclasses import dataclass

import torch
from torch import Tensor

from eabs.cores import physical_cores
from eabs.costs import reconstruction_costs
from eabs.family import GenerativeModel
from eabs.inference import LatentInference
from eabs.settings import EFFORTS, InferenceSettings
from training.datasets import Split, to_unit_range


@dataclass(frozen=True)
class Validation:
    """Accuracies in [0, 1] on the same images, by what chooses the latent; and the encoder's latents' statistics.

    The mean should be 0 and the standard deviation 1: the encoder's latents must match the prior.
    """

    encoder: float
    bank: float
    latent: float
    latent_mean: float
    latent_std: float

    @property
    def summary(self) -> str:
        """For a line beside a progress bar."""
        return f"latent {self.latent:.2%} encoder {self.encoder:.2%} z std {self.latent_std:.2f}"


def validate(
    model: GenerativeModel,
    split: Split,
    *,
    candidates: int,
    settings: InferenceSettings = EFFORTS["standard"],
    seed: int = 0,
    beta: float = 1.0,
) -> Validation:
    """Validates on every image of `split`, which must be on the model's device; the mode of `model` is kept."""
    training = model.training
    model.eval()
    images = to_unit_range(split.images)
    # No more cores than the training was given.
    threads = min(physical_cores(), torch.get_num_threads())
    inference = LatentInference.prepare(model, beta=beta, seed=seed, candidates=candidates, threads=threads)
    with torch.inference_mode():
        mean, log_variance = model.encoder(images)
        costs = torch.cat(
            [
                reconstruction_costs(part, model.decoders(latents))
                for part, latents in zip(images.split(64), mean.split(64), strict=True)
            ]
        )
        nearest = torch.cat([inference.bank.search(part, 1, "score").values[:, 0] for part in images.split(32)])
        result = inference.infer(images, settings)
        if mean.dim() == 3:  # each class's encoder has one
            cells = torch.arange(len(mean), device=mean.device)
            mean, log_variance = mean[cells, split.labels], log_variance[cells, split.labels]
        latents = mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean)
    model.train(training).requires_grad_(training)
    return Validation(
        encoder=_accuracy(costs.argmin(1), split.labels),
        bank=_accuracy(nearest.argmin(1), split.labels),
        latent=_accuracy(result.predictions, split.labels),
        latent_mean=latents.mean().item(),
        latent_std=latents.std().item(),
    )


def _accuracy(predictions: Tensor, labels: Tensor) -> float:
    return (predictions == labels).float().mean().item()
