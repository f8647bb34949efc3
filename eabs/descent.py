"""Latent inference over lanes that come and go: images join at any step, and lanes leave when they have ended."""

from dataclasses import dataclass

import torch
from torch import Tensor

from eabs.captured_step import Captured, CapturedSteps
from eabs.decoding import FoldedDecoders
from eabs.lanes import LaneObjective
from eabs.penalty import Penalty
from eabs.quasi_newton import QuasiNewton
from eabs.settings import QuasiNewtonSettings

# Slots are packed anew when fewer of them than this are still in use.
_OCCUPANCY = 0.75
_START_STEPS = 4


@dataclass(frozen=True)
class Start:
    """Where B images start: `latents` (B, S, K, M); `bounds` (B, S, K), which the objective there does not exceed;
    `chosen` (B, S, K), whether to descend from there or to leave it at the bound."""

    latents: Tensor
    bounds: Tensor
    chosen: Tensor


@dataclass(frozen=True)
class Finished:
    """Answers for n images, known by their `tickets`: scores (n, K), latents (n, K, M), and whether a score was left
    at an upper bound because its class could no longer win (n, K); how many steps each image took, and whether it
    converged: no class used up its steps while it could still win (n,)."""

    tickets: list[int]
    scores: Tensor
    latents: Tensor
    upper_bounds: Tensor
    steps: Tensor
    converged: Tensor


@dataclass(frozen=True)
class _Judgement:
    """Of every lane (L,) bool: whether it ends now; because its class can no longer win; because it has used up its
    steps although it could win."""

    ended: Tensor
    given_up: Tensor
    unfinished: Tensor


class Descent:
    """Minimises the objective for all lanes of all images that were admitted."""

    def __init__(
        self,
        decoders: FoldedDecoders,
        penalty: Penalty,
        metric: Tensor,
        settings: QuasiNewtonSettings,
        captured: CapturedSteps | None = None,
    ) -> None:
        """Args:
        decoders, penalty: the objective.
        metric: (K, M, M), each class's inverse Hessian to start with.
        settings: when lanes end.
        captured: on a GPU, where captured steps come from.
        """
        self._decoders = decoders
        self._penalty = penalty
        self._metric = metric
        self._settings = settings
        self._captured = captured
        architecture = decoders.architecture
        self._K = architecture.classes
        cells = (0, settings.starts, self._K)
        # What is known of every image: a cell for every start and class.
        self._tickets: list[int] = []
        self._images = metric.new_empty(0, architecture.pixels)
        self._scores = metric.new_empty(cells)
        self._latents = metric.new_empty(*cells, architecture.latent)
        self._given_up = torch.empty(cells, dtype=torch.bool, device=metric.device)
        self._unfinished = torch.empty_like(self._given_up)
        self._admitted_at: list[int] = []
        self._clock = 0
        # The lanes under way, and which cell each is for.
        self._cells = torch.empty(0, dtype=torch.int64, device=metric.device)
        self._ages = torch.empty_like(self._cells)
        self._lanes = QuasiNewton(metric.new_empty(0, architecture.latent), metric[:0])
        self._stepper: LaneObjective | Captured | None = None
        self._admitted = 0

    def __len__(self) -> int:
        """Images under way."""
        return len(self._tickets)

    def admit(self, images: Tensor, start: Start) -> range:
        """Takes in images (B, C, H, W); returns their tickets."""
        first_cell = self._scores.numel()
        chosen = start.chosen.flatten().nonzero()[:, 0]
        classes = chosen % self._K
        self._cells = torch.cat([self._cells, first_cell + chosen])
        self._ages = torch.cat([self._ages, torch.zeros_like(chosen)])
        lanes = QuasiNewton(start.latents.flatten(0, 2)[chosen], self._metric[classes])
        if len(self._tickets):
            self._lanes.join(lanes)
        else:
            self._lanes = lanes
        self._images = torch.cat([self._images, images.flatten(1)])
        self._scores = torch.cat([self._scores, torch.where(start.chosen, torch.inf, start.bounds)])
        self._latents = torch.cat([self._latents, start.latents])
        self._given_up = torch.cat([self._given_up, ~start.chosen])
        self._unfinished = torch.cat([self._unfinished, torch.zeros_like(start.chosen)])
        self._unpack()
        tickets = range(self._admitted, self._admitted + len(images))
        self._tickets += tickets
        self._admitted_at += [self._clock] * len(images)
        self._admitted += len(images)
        return tickets

    def step(self) -> Finished | None:
        """One gradient for every lane. Returns the images that ended with it, if any."""
        if self._stepper is None or len(self._cells) < _OCCUPANCY * self._stepper.size:
            self._unpack()
            self._stepper = self._pack()
        self._stepper.step(self._lanes)
        self._ages += 1
        self._clock += 1
        judgement = self._judge()
        ended = judgement.ended
        if not bool(ended.any()):
            return None
        cells = self._cells[ended]
        self._scores.view(-1)[cells] = self._lanes.values[ended]
        self._latents.view(-1, self._latents.shape[3])[cells] = self._lanes.points[ended]
        self._given_up.view(-1)[cells] = judgement.given_up[ended]
        self._unfinished.view(-1)[cells] = judgement.unfinished[ended]
        remaining = (~ended).nonzero()[:, 0]
        self._cells = self._cells[remaining]
        self._ages = self._ages[remaining]
        self._lanes.keep(remaining)
        self._stepper.keep(remaining)
        return self._deliver()

    def _pack(self) -> LaneObjective | Captured:
        targets = self._images[self._cells // (self._settings.starts * self._K)]
        classes, objective = self._cells % self._K, self._settings.objective
        if self._captured is not None:
            return self._captured.stepper(self._lanes, targets=targets, classes=classes, objective=objective)
        return LaneObjective(self._decoders, self._penalty, targets=targets, classes=classes, objective=objective)

    def _unpack(self) -> None:
        if self._stepper is not None:
            self._stepper.close()
            self._stepper = None

    def _judge(self) -> _Judgement:
        settings, lanes = self._settings, self._lanes
        converged = lanes.promises <= settings.tolerance * lanes.values
        ended = (self._ages >= settings.steps) | converged
        per_image = settings.starts * self._K
        images = self._cells // per_image
        leaders = self._best(self._scores.flatten(1).amin(1), images)
        beaten = lanes.values - settings.patience * lanes.promises > leaders[images]
        given_up = beaten & (self._ages >= settings.full_steps) & ~ended
        unfinished = ended & ~converged & ~beaten
        ended |= given_up
        if settings.starts > 1:
            classes = images * self._K + self._cells % self._K
            leaders = self._best(self._scores.amin(1).flatten(), classes)
            beaten = lanes.values - settings.start_patience * lanes.promises > leaders[classes]
            ended |= beaten & (self._ages >= _START_STEPS)
        return _Judgement(ended, given_up, unfinished)

    def _best(self, known: Tensor, groups: Tensor) -> Tensor:
        """The best score of every group, among those known (n,) and those of the lanes, whose groups are (L,)."""
        return known.scatter_reduce(0, groups, self._lanes.values, "amin")

    def _deliver(self) -> Finished | None:
        """Hands out the images without lanes, and forgets them."""
        per_image = self._settings.starts * self._K
        images = self._cells // per_image
        under_way = torch.bincount(images, minlength=len(self._tickets)) > 0
        if bool(under_way.all()):
            return None
        done = (~under_way).nonzero()[:, 0]
        scores, starts = self._scores[done].min(1)
        cells = starts[:, None, :]
        if not len(self._cells):
            self._unpack()
        indices = done.tolist()
        steps = [self._clock - self._admitted_at[index] for index in indices]
        finished = Finished(
            tickets=[self._tickets[index] for index in indices],
            scores=scores,
            latents=self._latents[done].take_along_dim(cells[..., None], 1).squeeze(1),
            upper_bounds=self._given_up[done].take_along_dim(cells, 1).squeeze(1),
            steps=torch.tensor(steps, device=scores.device),
            converged=~self._unfinished[done].take_along_dim(cells, 1).squeeze(1).any(1),
        )
        kept = under_way.nonzero()[:, 0]
        indices = kept.tolist()
        self._tickets = [self._tickets[index] for index in indices]
        self._admitted_at = [self._admitted_at[index] for index in indices]
        self._images, self._scores = self._images[kept], self._scores[kept]
        self._latents = self._latents[kept]
        self._given_up, self._unfinished = self._given_up[kept], self._unfinished[kept]
        moved = (under_way.cumsum(0) - 1)[images]
        self._cells = moved * per_image + self._cells % per_image
        return finished
