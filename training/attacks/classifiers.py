"""What an attack sees of a classifier: modules from images (N, C, H, W) in [0, 1] to logits (N, K) = -l_k.

All of them can be differentiated with respect to the images, and none has parameters to train.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from eabs.gradient import adaptive_gradient
from eabs.inference import LatentInference
from eabs.prototypes import PrototypeBank
from eabs.settings import EFFORTS, AdamSettings, InferenceSettings
from training.attacks.memory import Memory

# How far apart `Unsaturated` sets the two best logits: the softmax then still tells in float32 what it is sure of.
_GAP = 8.0


class PrototypeLogits(nn.Module):
    """A bank's -l_k, in float64 and on the bank's device: its own arithmetic, which can be differentiated as it is."""

    def __init__(self, bank: PrototypeBank) -> None:
        super().__init__()
        self._bank = bank
        self.eval()

    def forward(self, images: Tensor) -> Tensor:
        return -self._bank.classify(images).scores


class LatentLogits(nn.Module):
    """Latent inference's -l_k, and as their gradient the adaptive one, equation (8).

    Inference takes milliseconds an image, so the last images' is remembered.
    """

    def __init__(self, inference: LatentInference, settings: InferenceSettings = EFFORTS["fast"]) -> None:
        super().__init__()
        self.inference, self.settings = inference, settings

        def infer(images: Tensor) -> tuple[Tensor, Tensor]:
            found = inference.infer(images, settings)
            return found.scores, found.latents

        self._infer = Memory(infer)
        self._recreate = Memory(lambda latents: (inference.reconstruct(latents),))
        self.eval()

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = _AdaptiveGradient.apply(images, self._infer, self._recreate)  # type: ignore[no-untyped-call]
        return logits


class _AdaptiveGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, images: Tensor, infer: Memory, recreate: Memory) -> Tensor:
        scores, latents = infer(images.detach())
        ctx.save_for_backward(images, latents)
        ctx.recreate = recreate  # type: ignore[attr-defined]
        return -scores.to(images.device)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: torch.autograd.function.FunctionCtx, gradient: Tensor) -> tuple[Tensor, None, None]:
        images, latents = ctx.saved_tensors  # type: ignore[attr-defined]
        (recreations,) = ctx.recreate(latents)  # type: ignore[attr-defined]
        gradients = adaptive_gradient(images, recreations.to(images.device))
        return -torch.einsum("nk,nkchw->nchw", gradient, gradients), None, None


class EncoderLogits(nn.Module):
    """What the encoder alone would answer: -l_k at the mean of its Q(z|x). Images are on the model's device."""

    def __init__(self, inference: LatentInference) -> None:
        super().__init__()
        self._inference = inference
        self.eval()

    def forward(self, images: Tensor) -> Tensor:
        inference = self._inference
        latents, _ = inference.encode(images)
        costs = (images.unsqueeze(1) - inference.decoders.decode(latents)).flatten(2).square().sum(2)
        return -costs - inference.penalty.penalty(latents, torch.arange(latents.shape[1], device=latents.device))


class SmoothedLogits(nn.Module):
    """log of the mean softmax of `base` over Gaussian noise: what an attack on a smoothed classifier climbs.

    Salman et al., Provably Robust Deep Learning via Adversarially Trained Smoothed Classifiers (NeurIPS 2019), the
    SmoothAdv attack. The noise is drawn once, so the attack is on a fixed function.
    """

    def __init__(
        self, base: nn.Module, shape: tuple[int, ...], *, sigma: float, samples: int = 32, seed: int = 0
    ) -> None:
        """Args:
        base: images to logits.
        shape: of one image, (C, H, W).
        sigma: standard deviation of the noise, in [0, 1] pixels.
        samples: how many noisy copies of an image are looked at.
        seed: of the noise.
        """
        super().__init__()
        self._base = base
        noise = torch.randn(samples, *shape, generator=torch.Generator().manual_seed(seed))
        self._noise = noise.mul_(sigma)
        self.eval()

    def forward(self, images: Tensor) -> Tensor:
        noisy = images.unsqueeze(1) + self._noise.to(images)
        logits = self._base(noisy.flatten(0, 1)).unflatten(0, noisy.shape[:2])
        # The sum is the mean but for a factor that every class shares.
        smoothed: Tensor = logits.log_softmax(2).logsumexp(1)
        return smoothed


class ExpectedLogits(nn.Module):
    """The mean logits of several members: what an attack climbs that expects answers to be random.

    Athalye et al., Obfuscated Gradients Give a False Sense of Security (ICML 2018), expectation over transformation;
    the paper takes 5 samples (section 4.2). Members are the same classifier with other random numbers. The quasi-Newton
    method draws none: it is its own expectation, and 1 sample is exact. Adam does: see `expected_latent_logits`.
    """

    def __init__(self, members: Sequence[nn.Module]) -> None:
        super().__init__()
        if not members:
            raise ValueError("members: expected at least one")
        self._members = nn.ModuleList(members)
        self.eval()

    def forward(self, images: Tensor) -> Tensor:
        return torch.stack([member(images) for member in self._members]).mean(0)


def expected_latent_logits(
    inference: LatentInference, settings: AdamSettings, *, samples: int, seed: int
) -> ExpectedLogits:
    """What an attack climbs that does not know the noise of inference: the mean over `samples` other noises.

    Args:
        inference: whose noise is not looked at.
        settings: of the paper's method, whose answers are random.
        samples: at least 1.
        seed: of the noises, which have seeds that count up from the one after it.
    """
    return ExpectedLogits([LatentLogits(inference.reseeded(seed + 1 + one), settings) for one in range(samples)])


class Unsaturated(nn.Module):
    """The same predictions by logits whose two best are always equally far apart.

    A cross-entropy's gradient vanishes in float32 where a classifier is sure, and with it the attack (Carlini &
    Wagner, Towards Evaluating the Robustness of Neural Networks, S&P 2017, section V). Scores are squared distances
    over all pixels, so there it nearly always would.
    """

    def __init__(self, base: nn.Module) -> None:
        super().__init__()
        self._base = base
        self.eval()

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self._base(images)
        best = logits.detach().topk(2, dim=1).values
        gaps = (best[:, :1] - best[:, 1:]).clamp_min(torch.finfo(logits.dtype).eps)
        return (logits - best[:, :1]) / gaps * _GAP


def margins(logits: Tensor, labels: Tensor) -> Tensor:
    """How far the class `labels` (N,) is ahead of the best other one, (N,): negative where another one wins."""
    own = logits.gather(1, labels[:, None])
    return own.squeeze(1) - logits.scatter(1, labels[:, None], -torch.inf).amax(1)
