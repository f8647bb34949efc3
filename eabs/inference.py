"""Latent inference, equation (6) of Ju & Wagner (AISec 2020).

For every class k: l_k(x) = min over (mu, Sigma) of E_{z ~ N(mu, Sigma)} [ c(x, G_k(z)) - beta log D(z) ], started
from the best of the candidate bank and the encoder's own Q(z|x). `eabs/settings.py` says how it can be solved, and
`eabs/penalty.py` what stands for -beta log D(z) in models of other priors.
"""

import math
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass, fields
from functools import lru_cache

import torch
from torch import Tensor

from eabs.adam import descend, draw_noise
from eabs.blocks import in_blocks
from eabs.candidates import DEFAULT_CANDIDATES, Objective, Starts
from eabs.captured_step import CapturedSteps, capture_cuda_graph
from eabs.decoding import FoldedDecoders
from eabs.descent import Descent, Start
from eabs.family import GenerativeModel
from eabs.lanes import LaneObjective
from eabs.penalty import GaussianPrior, penalty_of
from eabs.preparation import Preparation, prepare
from eabs.settings import AdamSettings, InferenceSettings, QuasiNewtonSettings
from eabs.workers import Workers

# Images worked on at once: more would leave a CPU core's cache (benchmarks/engine.py), fewer would idle a GPU.
_CPU_IMAGES = 4
_CUDA_IMAGES = 1024


@dataclass(frozen=True)
class InferenceResult:
    """What latent inference found for B images and K classes.

    `scores` l_k (B, K); `distances` ||x - G_k(z_k)||_2 (B, K); `latents` z_k, a variational posterior's mean
    (B, K, M); `upper_bounds` (B, K), whether a class was given up because it could no longer win, so that its l_k and
    its distance are upper bounds and not optima. The prediction itself is never one. `steps` (B,) int64: how many
    gradients the longest lane of each image took; `converged` (B,) bool: no class used up its steps while it could
    still win, which Adam cannot tell: it takes its steps whatever comes.
    """

    scores: Tensor
    distances: Tensor
    latents: Tensor
    upper_bounds: Tensor
    steps: Tensor
    converged: Tensor

    @property
    def predictions(self) -> Tensor:
        """argmin_k l_k: (B,) int64."""
        return self.scores.argmin(1)

    @classmethod
    def concatenate(cls, results: Sequence["InferenceResult"]) -> "InferenceResult":
        """The answers of several results, one after the other."""
        return cls(**{field.name: torch.cat([getattr(r, field.name) for r in results]) for field in fields(cls)})


class LatentInference:
    """A model made ready to classify: folded networks, its candidate bank, its metric, its noise.

    Holds no state between calls, which may come from any thread. On the CPU, images are shared out over threads that
    compute each alone: none waits for another at every layer, and a neighbour that takes a core takes that core's
    share and no more.
    """

    def __init__(
        self, model: GenerativeModel, preparation: Preparation, *, beta: float, seed: int, threads: int = 1
    ) -> None:
        """Args:
        model: the networks, on the device to compute on.
        preparation: what was made of them before.
        beta: the weight of the penalty.
        seed: of the noise, where there is any.
        threads: on the CPU, how many parts of a batch to work on at once.
        """
        self.architecture = model.architecture
        self.decoders = FoldedDecoders.fold(model.decoders)
        self.penalty = penalty_of(model, beta)
        self.bank = preparation.bank
        self.metric = preparation.metric
        self.seed = seed
        self._encoder = model.encoder.eval().requires_grad_(False)
        self._noise = _noise_of(self.architecture.latent, seed, self.device)
        self._workers = Workers(threads, self.device)
        self._captured: CapturedSteps | None = None
        if self.device.type == "cuda":
            self._captured = CapturedSteps(self.decoders, self.penalty, capture_cuda_graph)

    @classmethod
    def prepare(
        cls, model: GenerativeModel, *, beta: float, seed: int, candidates: int = DEFAULT_CANDIDATES, threads: int = 1
    ) -> "LatentInference":
        """Decodes the candidate bank of `model`, on the model's device, and puts it to use."""
        preparation = prepare(
            FoldedDecoders.fold(model.decoders),
            penalty_of(model, beta),
            candidates=candidates,
            seed=seed,
            threads=threads,
        )
        return cls(model, preparation, beta=beta, seed=seed, threads=threads)

    def reseeded(self, seed: int) -> "LatentInference":
        """The same model with other noise, which shares everything else with this one."""
        other = copy(self)
        other.seed = seed
        other._noise = _noise_of(self.architecture.latent, seed, self.device)
        return other

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return self.decoders.device

    def infer(self, images: Tensor, settings: InferenceSettings) -> InferenceResult:
        """Solves (6) for every image and class.

        Args:
            images: (B, C, H, W) float32 in [0, 1], on any device.
            settings: how.

        Returns:
            B answers, on the model's device.

        Raises:
            ValueError: the images have another shape or type than the model's.
        """
        if images.dim() != 4 or tuple(images.shape[1:]) != self.architecture.image or len(images) == 0:
            raise ValueError(f"images: expected (B, {self.architecture.image}), got {tuple(images.shape)}")
        if images.dtype != torch.float32:
            raise ValueError(f"images: expected float32, got {images.dtype}")
        at_once = _CUDA_IMAGES if self.device.type == "cuda" else _CPU_IMAGES
        # A small batch is shared out evenly, so that no thread is left without.
        share = math.ceil(len(images) / self._workers.count)
        parts = images.split(max(1, min(share, at_once // settings.starts)))
        return InferenceResult.concatenate(
            self._workers.map(lambda part: self._infer(part.to(self.device), settings), parts)
        )

    def reconstruct(self, latents: Tensor) -> Tensor:
        """G_k(z_k): latents (B, K, M) to images (B, K, C, H, W) in (0, 1)."""
        parts = latents.to(self.device).split(_CPU_IMAGES)
        return torch.cat(self._workers.map(self.decoders.decode, parts))

    def start(self, images: Tensor, settings: QuasiNewtonSettings) -> Start:
        """Where images (B, C, H, W) on the model's device start, and which classes are in the running."""
        found = self.bank.search(images, settings.starts, settings.objective)
        first = found.values[:, 0]
        chosen = first <= settings.shortlist * first.amin(1, keepdim=True)
        if settings.finalists is not None and settings.finalists < first.shape[1]:
            chosen &= first <= first.kthvalue(settings.finalists, dim=1, keepdim=True).values
        chosen = chosen.unsqueeze(1).expand_as(found.values)
        mean, _ = self.encode(images)
        latents, _ = self._with_proposal(images, found, mean, chosen[:, -1], settings.objective)
        # A class that is left at its start must not win by the looseness of what is known of it.
        least = torch.where(chosen, found.bounds, torch.inf).amin((1, 2), keepdim=True)
        return Start(latents, torch.maximum(found.bounds, least), chosen)

    def descent(self, settings: QuasiNewtonSettings) -> Descent:
        """A descent that images can be admitted to, from `start`."""
        return Descent(self.decoders, self.penalty, self.metric, settings, self._captured)

    def distances(self, scores: Tensor, latents: Tensor, objective: Objective) -> Tensor:
        """||x - G_k(z)||_2 (..., K) from the objective's values (..., K) at latents (..., K, M), whatever x is."""
        if objective == "score":
            scores = scores - self.penalty.penalty(latents, torch.arange(scores.shape[-1], device=scores.device))
        return scores.clamp_min(0).sqrt()

    def _infer(self, images: Tensor, settings: InferenceSettings) -> InferenceResult:
        if isinstance(settings, AdamSettings):
            return self._infer_by_adam(images, settings)
        descent = self.descent(settings)
        tickets = descent.admit(images, self.start(images, settings))
        order: list[int] = []
        finished = []
        while len(descent):
            if (found := descent.step()) is not None:
                finished.append(found)
                order += found.tickets
        place = torch.tensor([order.index(ticket) for ticket in tickets], device=self.device)
        scores, latents, upper_bounds, steps, converged = (
            torch.cat([getattr(found, name) for found in finished])[place]
            for name in ("scores", "latents", "upper_bounds", "steps", "converged")
        )
        distances = self.distances(scores, latents, settings.objective)
        return InferenceResult(scores, distances, latents, upper_bounds, steps, converged)

    def _infer_by_adam(self, images: Tensor, settings: AdamSettings) -> InferenceResult:
        B, S, K, M = len(images), settings.starts, self.architecture.classes, self.architecture.latent
        found = self.bank.search(images, S, settings.objective)
        mean, log_variance = self.encode(images)
        everywhere = torch.ones(B, K, dtype=torch.bool, device=self.device)
        latents, proposed = self._with_proposal(images, found, mean, everywhere, settings.objective)
        log_stds = torch.full_like(latents, math.log(settings.initial_std))
        log_stds[:, -1] = torch.where(proposed[..., None], 0.5 * log_variance, log_stds[:, -1])
        cells = torch.arange(B * S * K, device=self.device)
        # The expectation of a Gaussian's divergence is known; that of a discriminator's word is not.
        prior = self.penalty if settings.objective == "score" and isinstance(self.penalty, GaussianPrior) else None
        objective = LaneObjective(
            self.decoders,
            self.penalty,
            targets=images.flatten(1)[cells // (S * K)],
            classes=cells % K,
            objective=settings.objective if prior is None else "distance",
        )
        noise = self._noise(settings)[:, None, :, None].expand(-1, B, -1, K, -1).flatten(1, 3)
        latents, log_stds = latents.flatten(0, 2), log_stds.flatten(0, 2)
        scores, means = descend(objective, latents, log_stds, noise, settings, prior=prior)
        scores, best = scores.view(B, S, K).min(1)
        means = means.view(B, S, K, M).take_along_dim(best[:, None, :, None], 1).squeeze(1)
        distances = torch.linalg.vector_norm((images.unsqueeze(1) - self.decoders.decode(means)).flatten(2), dim=2)
        return InferenceResult(
            scores,
            distances,
            means,
            upper_bounds=torch.zeros_like(everywhere),
            steps=torch.full((B,), settings.steps, device=self.device),
            converged=torch.zeros(B, dtype=torch.bool, device=self.device),
        )

    def _with_proposal(
        self, images: Tensor, found: Starts, mean: Tensor, wanted: Tensor, objective: Objective
    ) -> tuple[Tensor, Tensor]:
        """The bank's starts (B, S, K, M), with the encoder's proposals (B, K, M) for the last of them where better.

        Only the classes `wanted` (B, K) are tried. Also returns where it is better (B, K).
        """
        image, k = wanted.nonzero().unbind(1)
        lanes = LaneObjective(
            self.decoders,
            self.penalty,
            targets=images.flatten(1)[image],
            classes=k,
            objective=objective,
        )
        better = torch.zeros_like(wanted)
        better[image, k] = lanes.values(mean[image, k]) < found.values[image, -1, k]
        latents = found.latents.clone()
        latents[:, -1] = torch.where(better[..., None], mean, latents[:, -1])
        return latents, better

    def encode(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """The encoder's mean and log variance for every class, (B, K, M) each, of images (B, C, H, W) on the model's
        device; all classes' are the same where they share an encoder."""
        both = in_blocks(
            lambda rows: torch.cat(self._encoder(rows.view(-1, *self.architecture.image)), dim=-1).flatten(1),
            images.flatten(1),
            _CPU_IMAGES,
        )
        latent, classes = self.architecture.latent, self.architecture.classes
        mean, log_variance = both.view(len(images), -1, 2 * latent).expand(-1, classes, -1).chunk(2, dim=2)
        return mean, log_variance


def _noise_of(latent: int, seed: int, device: torch.device) -> Callable[[AdamSettings], Tensor]:
    """The noise of settings, drawn once."""

    # Not a method: with it the cache would hold its object, which holds the cache, and only a search for garbage would
    # free a model that nobody needs any more.
    @lru_cache(maxsize=16)
    def noise(settings: AdamSettings) -> Tensor:
        return draw_noise(settings, latent, seed=seed).to(device)

    return noise
