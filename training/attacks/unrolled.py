"""Latent inference as an attack sees it that looks through the optimisation itself."""

import math
from dataclasses import replace

import torch
from torch import Tensor, nn

from eabs.inference import LatentInference
from eabs.lanes import LaneObjective
from eabs.quasi_newton import QuasiNewton
from eabs.settings import EFFORTS, QuasiNewtonSettings

UNROLLED = replace(EFFORTS["fast"], shortlist=math.inf, finalists=None, patience=math.inf)
"""Effort `fast` that gives no class up, so that every class's gradient is seen."""

# How many images' steps are kept in memory at once, with what their derivatives need: some ten MB each for MNIST.
_AT_ONCE = 8


class UnrolledLogits(nn.Module):
    """Latent inference's -l_k, and as their gradient that of the steps which led to them.

    The adaptive gradient, equation (8), holds z* fixed. That is right at an optimum, where dl/dz = 0. Where inference
    stops short of it, l_k(x) = l(x, z_T(x)) has another gradient, dl/dx + (dz_T/dx)^T dl/dz: here it is taken through
    every step of the quasi-Newton method that images are served with, and where a lane starts at what the encoder
    proposes, through the encoder. What has no derivative is held fixed: which start a lane has, and which of its steps
    were good ones.
    """

    def __init__(self, inference: LatentInference, settings: QuasiNewtonSettings = UNROLLED) -> None:
        """Args:
        inference: the model.
        settings: how many `steps` from how many `starts`, and with which `tolerance` fewer are enough; of which
            classes (`shortlist`, `finalists`): the others have the score of their start, and no gradient. No class is
            given up later on.
        """
        super().__init__()
        self.inference = inference
        self.settings = settings
        self.eval()

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = _Unrolled.apply(images, self.inference, self.settings)  # type: ignore[no-untyped-call]
        return logits


class _Unrolled(torch.autograd.Function):
    """Steps are taken twice, so that no more than a few images' are ever in memory: once for the logits, and once
    more, tracked, for their gradient."""

    @staticmethod
    def forward(
        ctx: torch.autograd.function.FunctionCtx,
        images: Tensor,
        inference: LatentInference,
        settings: QuasiNewtonSettings,
    ) -> Tensor:
        ctx.save_for_backward(images)
        ctx.inference, ctx.settings = inference, settings  # type: ignore[attr-defined]
        parts = images.detach().to(inference.device).split(_AT_ONCE)
        return -torch.cat([_scores(inference, part, settings) for part in parts]).to(images.device)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: torch.autograd.function.FunctionCtx, gradient: Tensor) -> tuple[Tensor, None, None]:
        (images,) = ctx.saved_tensors  # type: ignore[attr-defined]
        device = ctx.inference.device  # type: ignore[attr-defined]
        gradients = []
        for part, weights in zip(images.to(device).split(_AT_ONCE), gradient.to(device).split(_AT_ONCE), strict=True):
            with torch.enable_grad():
                tracked = part.detach().requires_grad_()
                # A margin's gradient is that of two classes, whatever the others do.
                scores = _scores(ctx.inference, tracked, ctx.settings, weights != 0)  # type: ignore[attr-defined]
            if scores.requires_grad:
                gradients += torch.autograd.grad(scores, tracked, -weights)
            else:
                gradients.append(torch.zeros_like(part))
        return torch.cat(gradients).to(images.device), None, None


def _scores(
    inference: LatentInference, images: Tensor, settings: QuasiNewtonSettings, wanted: Tensor | None = None
) -> Tensor:
    """l_k after `steps` steps (B, K), of the classes that are `wanted` (B, K); tracked by autograd where the images
    (B, C, H, W) are. All others' are those of their starts."""
    with torch.no_grad():
        start = inference.start(images, settings)
    chosen = start.chosen if wanted is None else start.chosen & wanted.unsqueeze(1)
    if not chosen.any():
        return start.bounds.amin(1)
    latents = start.latents
    if images.requires_grad:
        mean, _ = inference.encode(images)
        proposed = (latents == mean.unsqueeze(1)).all(3, keepdim=True)
        latents = torch.where(proposed, mean.unsqueeze(1), latents)
    image, _, k = cells = chosen.nonzero().unbind(1)
    objective = LaneObjective(
        inference.decoders,
        inference.penalty,
        targets=images.flatten(1)[image],
        classes=k,
        objective=settings.objective,
    )
    lanes = QuasiNewton(latents[cells], inference.metric[k])
    scores, places = start.bounds.flatten(), chosen.flatten().nonzero().squeeze(1)
    for _ in range(settings.steps):
        tried = lanes.propose()
        lanes.accept(*(_tracked(objective, tried) if images.requires_grad else objective.values_and_gradients(tried)))
        scores = scores.index_put((places,), lanes.values)
        # Beyond its optimum a lane would divide by curvatures that are nothing but rounding.
        remaining = (lanes.promises > settings.tolerance * lanes.values).nonzero().squeeze(1)
        if len(remaining) == 0:
            break
        places = places[remaining]
        lanes.keep(remaining)
        objective.keep(remaining)
    return scores.view_as(start.bounds).amin(1)


def _tracked(objective: LaneObjective, latents: Tensor) -> tuple[Tensor, Tensor]:
    """The objective (L,) at latents (L, M) and its gradient (L, M), both to be differentiated once more."""
    if not latents.requires_grad:
        latents = latents.detach().requires_grad_()
    values = objective.values(latents)
    (gradients,) = torch.autograd.grad(values.sum(), latents, create_graph=True)
    return values, gradients
