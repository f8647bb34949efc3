"""Latent inference, equation (6) of Ju & Wagner (AISec 2020).

For every class k: l_k(x) = min over (mu, Sigma) of E_{z ~ N(mu, Sigma)} [ c(x, G_k(z)) - beta log D(z) ], one
reparameterised sample a step, started from the best of the candidate bank and the encoder's own Q(z|x). With an
exact posterior the variance is zero and the expectation falls away.

The noise is drawn once from the model's seed and shared by all images, so that an image's answer depends neither
on the batch that it came in nor on when it came.
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import torch
from torch import Tensor

from eabs.candidates import DEFAULT_CANDIDATES, CandidateBank, Objective
from eabs.decoding import FoldedDecoders, FoldedDiscriminator
from eabs.networks import EABS

Posterior = Literal["variational", "exact"]
Effort = Literal["fast", "standard", "thorough"]

_ADAM_BETAS = (0.9, 0.999)
_ADAM_EPSILON = 1e-8
# Latents optimised at once: more would leave the CPU's cache (benchmarks/engine.py), fewer would idle a GPU.
_CPU_LANES = 32
_CUDA_LANES = 1024


@dataclass(frozen=True)
class InferenceSettings:
    """How (6) is solved.

    `steps` of Adam from each of `starts` starting points; the learning rate falls linearly from `learning_rate`
    to `learning_rate * final_fraction`. `initial_std` is the standard deviation that a candidate starts with
    (the paper's is 1), and `samples` the number of samples that the final expectation is estimated with; both
    matter to the variational posterior alone.
    """

    steps: int
    starts: int = 1
    learning_rate: float = 0.05
    final_fraction: float = 1.0
    posterior: Posterior = "variational"
    initial_std: float = 1.0
    samples: int = 4
    objective: Objective = "score"

    def __post_init__(self) -> None:
        for name in ("steps", "starts", "samples"):
            if getattr(self, name) < (0 if name == "steps" else 1):
                raise ValueError(f"{name}: expected a positive count, got {getattr(self, name)}")

    def learning_rate_at(self, step: int) -> float:
        """The learning rate of a step, counted from 0."""
        progress = step / max(1, self.steps - 1)
        return self.learning_rate * (1 - progress * (1 - self.final_fraction))


@dataclass(frozen=True)
class InferenceResult:
    """What latent inference found for B images and K classes.

    `scores` l_k (B, K); `distances` ||x - G_k(z_k)||_2 (B, K); `latents` z_k, the posterior's mean (B, K, M);
    `reconstructions` G_k(z_k) (B, K, C, H, W).
    """

    scores: Tensor
    distances: Tensor
    latents: Tensor
    reconstructions: Tensor

    @property
    def predictions(self) -> Tensor:
        """argmin_k l_k: (B,) int64."""
        return self.scores.argmin(1)


class LatentInference:
    """A model made ready to classify: folded networks, its candidate bank, its noise. Holds no state between calls.

    A call may come from any thread, one at a time.
    """

    def __init__(self, model: EABS, *, bank: CandidateBank, beta: float, seed: int) -> None:
        self.architecture = model.architecture
        self.decoders = FoldedDecoders(model.decoders)
        self.discriminator = FoldedDiscriminator(model.discriminator, beta)
        self.bank = bank
        self.seed = seed
        self._encoder = model.encoder.eval().requires_grad_(False)
        self._noise = lru_cache(maxsize=16)(self._draw_noise)

    @classmethod
    def prepare(cls, model: EABS, *, beta: float, seed: int, candidates: int = DEFAULT_CANDIDATES) -> "LatentInference":
        """Decodes the candidate bank of `model`, on the model's device, and puts it to use."""
        bank = CandidateBank.decode(
            FoldedDecoders(model.decoders),
            FoldedDiscriminator(model.discriminator, beta),
            count=candidates,
            seed=seed,
        )
        return cls(model, bank=bank, beta=beta, seed=seed)

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return self.decoders.device

    @torch.inference_mode()
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
        lanes = _CUDA_LANES if self.device.type == "cuda" else _CPU_LANES
        chunk = max(1, lanes // settings.starts)
        results = [self._infer_chunk(part.to(self.device), settings) for part in images.split(chunk)]
        fields = ("scores", "distances", "latents", "reconstructions")
        return InferenceResult(**{name: torch.cat([getattr(r, name) for r in results]) for name in fields})

    def _infer_chunk(self, images: Tensor, settings: InferenceSettings) -> InferenceResult:
        B, S, K = len(images), settings.starts, self.architecture.classes
        means, log_stds = self._start(images, settings)
        lanes = images.unsqueeze(1).expand(-1, S, -1, -1, -1).flatten(0, 1)
        if settings.posterior == "exact":
            means = self._descend_exact(lanes, means, settings)
            stds = None
        else:
            means, log_stds = self._descend_variational(lanes, means, log_stds, settings)
            stds = log_stds.exp()
        scores, reconstructions = self._evaluate(lanes, means, stds, settings)
        best = scores.view(B, S, K).argmin(1)
        lane = torch.arange(B, device=best.device)[:, None] * S + best, torch.arange(K, device=best.device)
        chosen = reconstructions[lane]
        distances = torch.linalg.vector_norm((images.unsqueeze(1) - chosen).flatten(2), dim=2)
        return InferenceResult(scores[lane], distances, means[lane], chosen)

    def _start(self, images: Tensor, settings: InferenceSettings) -> tuple[Tensor, Tensor]:
        """The best starts of every class, as (B * S, K, M) means and log standard deviations."""
        starts = self.bank.search(images, settings.starts, settings.objective)
        mean, log_variance = self._encoder(images)
        K = self.architecture.classes
        encoded = mean.unsqueeze(1).expand(-1, K, -1)
        costs = (self.decoders.decode(encoded) - images.unsqueeze(1)).square().flatten(2).sum(2)
        if settings.objective == "score":
            costs = costs + self.discriminator.penalty(mean)[:, None]
        # The bank's starts are sorted: the encoder's proposal replaces the last of them where it is better.
        better = (costs < starts.values[:, -1])[..., None]
        means, log_stds = (
            starts.latents.clone(),
            torch.full_like(starts.latents, math.log(settings.initial_std)),
        )
        means[:, -1] = torch.where(better, encoded, means[:, -1])
        log_stds[:, -1] = torch.where(better, 0.5 * log_variance[:, None], log_stds[:, -1])
        return means.flatten(0, 1), log_stds.flatten(0, 1)

    def _descend_exact(self, images: Tensor, latents: Tensor, settings: InferenceSettings) -> Tensor:
        adam = _Adam(latents)
        best, best_scores = latents, torch.full(latents.shape[:2], torch.inf, device=latents.device)
        for step in range(settings.steps):
            scores, gradient = self._objective_with_gradient(images, latents, settings.objective)
            improved = scores < best_scores
            best = torch.where(improved[..., None], latents, best)
            best_scores = torch.minimum(scores, best_scores)
            latents = adam.step(latents, gradient, settings.learning_rate_at(step))
        scores, _ = self._objective(images, latents, settings.objective)
        return torch.where((scores < best_scores)[..., None], latents, best)

    def _descend_variational(
        self, images: Tensor, means: Tensor, log_stds: Tensor, settings: InferenceSettings
    ) -> tuple[Tensor, Tensor]:
        parameters = torch.cat([means, log_stds], dim=2)
        adam = _Adam(parameters)
        steps_noise, _ = self._noise(settings.steps, settings.samples, settings.starts)
        M = means.shape[2]
        for step in range(settings.steps):
            noise = self._per_lane(steps_noise[step], images, settings)
            scaled = parameters[..., M:].exp() * noise
            _, gradient = self._objective_with_gradient(images, parameters[..., :M] + scaled, settings.objective)
            parameters = adam.step(
                parameters, torch.cat([gradient, gradient * scaled], dim=2), settings.learning_rate_at(step)
            )
        return parameters[..., :M], parameters[..., M:]

    def _evaluate(
        self, images: Tensor, means: Tensor, stds: Tensor | None, settings: InferenceSettings
    ) -> tuple[Tensor, Tensor]:
        """Scores (N, K), expected under the posterior, and the reconstructions of its mean."""
        scores, reconstructions = self._objective(images, means, settings.objective)
        if stds is not None:
            _, noise = self._noise(settings.steps, settings.samples, settings.starts)
            draws = [means + stds * self._per_lane(draw, images, settings) for draw in noise]
            scores = torch.stack([self._objective(images, z, settings.objective)[0] for z in draws]).mean(0)
        return scores, reconstructions

    def _objective(self, images: Tensor, latents: Tensor, objective: Objective) -> tuple[Tensor, Tensor]:
        reconstructions = self.decoders.decode(latents)
        costs = (reconstructions - images.unsqueeze(1)).square_().flatten(2).sum(2)
        if objective == "score":
            costs += self.discriminator.penalty(latents)
        return costs, reconstructions

    def _objective_with_gradient(self, images: Tensor, latents: Tensor, objective: Objective) -> tuple[Tensor, Tensor]:
        reconstructions, pullback = self.decoders.decode_with_pullback(latents)
        residuals = reconstructions - images.unsqueeze(1)
        costs = torch.linalg.vector_norm(residuals.flatten(2), dim=2).square_()
        gradient = pullback(residuals.mul_(2))
        if objective == "score":
            penalty, penalty_gradient = self.discriminator.penalty_with_gradient(latents)
            costs += penalty
            gradient = gradient + penalty_gradient
        return costs, gradient

    def _draw_noise(self, steps: int, samples: int, starts: int) -> tuple[Tensor, Tensor]:
        generator = torch.Generator().manual_seed(self.seed)
        shape = (steps + samples, starts, 1, self.architecture.latent)
        noise = torch.randn(shape, generator=generator).to(self.device)
        return noise[:steps], noise[steps:]

    def _per_lane(self, noise: Tensor, images: Tensor, settings: InferenceSettings) -> Tensor:
        return noise.repeat(len(images) // settings.starts, 1, 1)


class _Adam:
    """Adam (Kingma & Ba, 2015) on one tensor, without the bookkeeping of an optimiser object."""

    def __init__(self, like: Tensor) -> None:
        self._first = torch.zeros_like(like)
        self._second = torch.zeros_like(like)
        self._count = 0

    def step(self, parameters: Tensor, gradient: Tensor, learning_rate: float) -> Tensor:
        """New parameters; the old ones are left as they are."""
        self._count += 1
        decay1, decay2 = _ADAM_BETAS
        self._first.lerp_(gradient, 1 - decay1)
        self._second.mul_(decay2).addcmul_(gradient, gradient, value=1 - decay2)
        correction = math.sqrt(1 - decay2**self._count)
        denominator = self._second.sqrt().div_(correction).add_(_ADAM_EPSILON)
        rate = learning_rate / (1 - decay1**self._count)
        return torch.addcdiv(parameters, self._first, denominator, value=-rate)


EFFORTS: dict[Effort, InferenceSettings] = {
    "fast": InferenceSettings(steps=10, learning_rate=0.2, final_fraction=0.1, initial_std=0.1),
    "standard": InferenceSettings(steps=30, learning_rate=0.2, final_fraction=0.1, initial_std=0.1),
    "thorough": InferenceSettings(steps=100, starts=4, learning_rate=0.1, final_fraction=0.1, initial_std=0.1),
}
"""What each effort buys. Chosen on the validation split of MNIST; docs/inference.md has the measurements."""

PAPER_SETTINGS = InferenceSettings(steps=50, learning_rate=0.05, initial_std=1.0, samples=1)
"""The paper's inference as the authors' public ABS code runs it: Adam, 50 steps of 0.05, unit variance."""
