"""Cost against the number of classes K: random decoders of a preset's shape, images that some of them made."""

from dataclasses import dataclass
from functools import partial

import torch

from benchmarks.machine import best_seconds
from eabs.architecture import Architecture
from eabs.inference import LatentInference
from eabs.networks import EABS
from eabs.settings import EFFORTS, Effort

_CALIBRATION = 64
_NOISE = 0.1
_CONTRAST = 3.0


@dataclass(frozen=True)
class ClassesTiming:
    """One effort at one number of classes: milliseconds an image, one at a time and in a batch of 32; and how many
    classes an image were optimised to the end."""

    classes: int
    effort: str
    alone_ms: float
    batch_ms: float
    finished: float


def time_classes(
    architecture: Architecture, counts: tuple[int, ...], *, candidates: int, threads: int, batch: int = 32
) -> list[ClassesTiming]:
    """Times every effort but `thorough` at every number of classes."""
    timings = []
    for count in counts:
        inference = random_inference(architecture.with_classes(count), candidates=candidates, threads=threads)
        images = _images(inference, batch)
        efforts: tuple[Effort, ...] = ("fast", "standard")
        for effort in efforts:
            settings = EFFORTS[effort]
            result = inference.infer(images, settings)
            alone = best_seconds(partial(_one_by_one, inference, images[:4], effort), repeats=2) / 4
            together = best_seconds(partial(inference.infer, images, settings), repeats=2) / batch
            finished = (~result.upper_bounds).sum(1).float().mean().item()
            timings.append(ClassesTiming(count, effort, 1e3 * alone, 1e3 * together, finished))
    return timings


def random_inference(architecture: Architecture, *, candidates: int, threads: int) -> LatentInference:
    """Random networks whose BatchNorm has seen the prior, so that their images differ."""
    torch.manual_seed(0)
    model = EABS(architecture)
    with torch.no_grad():
        list(model.decoders.layers())[-1][0].weight.mul_(_CONTRAST)
        model.encoder.train()
        model.decoders.train()
        for _ in range(8):
            made = model.decoders(torch.randn(_CALIBRATION, architecture.latent))
            model.encoder(made[:, 0])
    return LatentInference.prepare(model.eval(), beta=1.0, seed=0, candidates=candidates, threads=threads)


def _images(inference: LatentInference, count: int) -> torch.Tensor:
    """What classes in turn make of random latents, and noise."""
    architecture = inference.architecture
    generator = torch.Generator().manual_seed(1)
    latents = torch.randn(count, 1, architecture.latent, generator=generator)
    classes = torch.arange(count) % architecture.classes
    made = []
    with torch.inference_mode():
        for k, z in zip(classes, latents, strict=True):
            decoder = inference.decoders.select(k.expand(2))
            made.append(decoder.decode(z.expand(1, 2, -1))[0, 0])
    images = torch.stack(made)
    return (images + _NOISE * torch.randn(images.shape, generator=generator)).clamp(0, 1)


def _one_by_one(inference: LatentInference, images: torch.Tensor, effort: Effort) -> None:
    for image in images.split(1):
        inference.infer(image, EFFORTS[effort])
