"""Ways to minimise the latent objective, compared at equal cost: why `eabs.quasi_newton` is what it is.

Every solver starts each lane at the same latent, optimises z itself, and says after each of its steps the best value
so far and what it has cost, in gradients: a gradient is a forward pass and one back to z, and counts as three forward
passes.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from eabs.adam import Adam
from eabs.inference import LatentInference
from eabs.lanes import LaneObjective
from eabs.quasi_newton import QuasiNewton, inverse_with_ridge
from eabs.settings import AdamSettings

Step = tuple[Tensor, float]
"""The best values so far (L,), and the gradients that they have cost."""

BUDGETS = (3, 6, 10, 15, 20, 30, 50)
"""Costs at which solvers are compared, in gradients."""

_IMAGES = 4
_FORWARD = 1 / 3
_DIFFERENCE = 1e-3
_MEMORY = 5
_REFERENCE_STEPS = 300


@dataclass(frozen=True)
class SolverResult:
    """The gaps of one solver at every budget of BUDGETS, in squared pixels: NaN where it has not made a step."""

    solver: str
    median: list[float]
    p95: list[float]


def compare_solvers(
    inference: LatentInference, images: Tensor, advance: Callable[[int], None] = lambda _: None
) -> list[SolverResult]:
    """Minimises the score of every image (B, C, H, W) and class by every solver."""
    found: dict[str, list[Tensor]] = {name: [] for name in SOLVERS}
    optima = []
    for batch in images.split(_IMAGES):
        with torch.inference_mode():
            problem = _Problem.of(inference, batch)
            best = torch.full((len(problem.points),), torch.inf)
            for name, solve in SOLVERS.items():
                values = _at_budgets(solve(problem))
                found[name].append(values)
                best = torch.minimum(best, torch.nan_to_num(values, torch.inf).amin(0))
            *_, (longest, _) = _quasi_newton(problem, problem.metric, steps=_REFERENCE_STEPS)
            optima.append(torch.minimum(best, longest))
        advance(len(batch))
    optimum = torch.cat(optima)
    results = []
    for name, parts in found.items():
        gaps = torch.cat(parts, dim=1) - optimum
        results.append(SolverResult(name, gaps.median(1).values.tolist(), gaps.quantile(0.95, dim=1).tolist()))
    return results


@dataclass(frozen=True)
class _Problem:
    """The lanes of a few images and all classes: where they start (L, M), and each lane's metric (L, M, M)."""

    inference: LatentInference
    objective: LaneObjective
    targets: Tensor
    classes: Tensor
    points: Tensor
    metric: Tensor

    @classmethod
    def of(cls, inference: LatentInference, images: Tensor) -> "_Problem":
        K = inference.architecture.classes
        cells = torch.arange(len(images) * K)
        targets, classes = images.flatten(1)[cells // K], cells % K
        objective = LaneObjective(
            inference.decoders, inference.penalty, targets=targets, classes=classes, objective="score"
        )
        starts = inference.bank.search(images, 1, "score")
        points = starts.latents.flatten(0, 2).clone()
        return cls(inference, objective, targets, classes, points, inference.metric[classes])

    def jacobians(self, points: Tensor) -> Tensor:
        """dG_k/dz (L, P, M) by differences: M + 1 forward passes."""
        K, M = self.inference.architecture.classes, points.shape[1]

        def decode(z: Tensor) -> Tensor:
            return self.inference.decoders.decode(z.view(-1, K, M)).flatten(0, 1).flatten(1)

        here = decode(points)
        columns = [(decode(points + o) - here) / _DIFFERENCE for o in _DIFFERENCE * torch.eye(M)]
        return torch.stack(columns, dim=2)


def _at_budgets(steps: Iterator[Step]) -> Tensor:
    """The best values that every budget buys: (budgets, L)."""
    values, cost = next(steps)
    last = torch.full_like(values, torch.nan)
    rows: list[Tensor] = []
    for budget in BUDGETS:
        while cost <= budget + 1e-6:
            last = values.clone()
            values, cost = next(steps, (values, math.inf))
        rows.append(last)
    return torch.stack(rows)


def _adam(problem: _Problem, settings: AdamSettings) -> Iterator[Step]:
    points, adam = problem.points, Adam(problem.points)
    best = torch.full((len(points),), torch.inf)
    for step in range(settings.steps):
        values, gradients = problem.objective.values_and_gradients(points)
        best = torch.minimum(best, values)
        yield best, step + 1
        points = adam.step(points, gradients, settings.learning_rate_at(step))


def _quasi_newton(problem: _Problem, metric: Tensor, *, steps: int = max(BUDGETS), spent: float = 0) -> Iterator[Step]:
    lanes = QuasiNewton(problem.points, metric.clone())
    for step in range(steps):
        lanes.accept(*problem.objective.values_and_gradients(lanes.propose()))
        yield lanes.values, spent + step + 1


def _plain_quasi_newton(problem: _Problem) -> Iterator[Step]:
    """Without knowing the curvature beforehand: the mean of the metric's diagonal, for all directions alike."""
    M = problem.points.shape[1]
    scale = problem.metric.diagonal(dim1=1, dim2=2).mean()
    return _quasi_newton(problem, scale * torch.eye(M).repeat(len(problem.points), 1, 1))


def _local_quasi_newton(problem: _Problem) -> Iterator[Step]:
    """One Gauss-Newton matrix at each lane's own start, and the quasi-Newton method from there."""
    jacobians = problem.jacobians(problem.points)
    metric = inverse_with_ridge(2 * jacobians.mT @ jacobians)
    return _quasi_newton(problem, metric, spent=_FORWARD * (jacobians.shape[2] + 1))


def _levenberg_marquardt(problem: _Problem) -> Iterator[Step]:
    """A Jacobian a step; the damping falls when a step helps and rises when it does not (Marquardt, 1963)."""
    points, M = problem.points, problem.points.shape[1]
    damping = torch.ones(len(points))
    best, gradients = problem.objective.values_and_gradients(points)
    cost = 1.0
    yield best, cost
    while True:
        jacobians = problem.jacobians(points)
        matrices = 2 * jacobians.mT @ jacobians
        diagonal = torch.diag_embed(0.1 * matrices.diagonal(dim1=1, dim2=2) + 1)
        steps = -torch.linalg.solve(matrices + damping[:, None, None] * diagonal, gradients)
        values, new_gradients = problem.objective.values_and_gradients(points + steps)
        better = values < best
        points = torch.where(better[:, None], points + steps, points)
        gradients = torch.where(better[:, None], new_gradients, gradients)
        best = torch.where(better, values, best)
        damping = torch.where(better, damping * 0.3, damping * 4)
        cost += 1 + _FORWARD * M
        yield best, cost


def _limited_memory(problem: _Problem) -> Iterator[Step]:
    """L-BFGS with the last few steps (Nocedal & Wright, algorithm 7.4), scaled by the latest curvature."""
    points = problem.points
    best, gradients = problem.objective.values_and_gradients(points)
    scale = problem.metric.diagonal(dim1=1, dim2=2).mean(1, keepdim=True)
    damping = torch.ones(len(points), 1)
    memory: list[tuple[Tensor, Tensor, Tensor]] = []
    cost = 1.0
    yield best, cost
    while True:
        direction = gradients.clone()
        shares = []
        for moved, change, inverse in reversed(memory):
            share = inverse * (moved * direction).sum(1, keepdim=True)
            shares.append(share)
            direction = direction - share * change
        direction = scale * direction
        for (moved, change, inverse), share in zip(memory, reversed(shares), strict=True):
            direction = direction + moved * (share - inverse * (change * direction).sum(1, keepdim=True))
        length = torch.linalg.vector_norm(direction, dim=1, keepdim=True).clamp_min(1e-12)
        step = -direction * (damping * (1 / length).clamp_max(1))
        values, new_gradients = problem.objective.values_and_gradients(points + step)
        change = new_gradients - gradients
        curvature = (step * change).sum(1, keepdim=True)
        square = change.square().sum(1, keepdim=True)
        convex = curvature > 1e-8 * square
        memory = [*memory, (step, change, torch.where(convex, 1 / curvature, 0))][-_MEMORY:]
        scale = torch.where(convex, curvature / square, scale)
        better = (values < best)[:, None]
        points, gradients = torch.where(better, points + step, points), torch.where(better, new_gradients, gradients)
        best = torch.minimum(values, best)
        damping = torch.where(better, (2 * damping).clamp_max(1), 0.4 * damping)
        cost += 1
        yield best, cost


SOLVERS: dict[str, Callable[[_Problem], Iterator[Step]]] = {
    "Adam, 50 x 0.05, the paper's": partial(
        _adam, settings=AdamSettings(steps=50, learning_rate=0.05, final_fraction=1.0)
    ),
    "Adam, 50 x 0.1": partial(_adam, settings=AdamSettings(steps=50, learning_rate=0.1, final_fraction=1.0)),
    "Adam, 50 x 0.2, falling to 0.02": partial(
        _adam, settings=AdamSettings(steps=50, learning_rate=0.2, final_fraction=0.1)
    ),
    "Adam, 20 x 0.2, falling to 0.02": partial(
        _adam, settings=AdamSettings(steps=20, learning_rate=0.2, final_fraction=0.1)
    ),
    "Adam, 10 x 0.2, falling to 0.02": partial(
        _adam, settings=AdamSettings(steps=10, learning_rate=0.2, final_fraction=0.1)
    ),
    "Levenberg-Marquardt": _levenberg_marquardt,
    "L-BFGS, 5 steps remembered": _limited_memory,
    "BFGS, curvature unknown": _plain_quasi_newton,
    "BFGS from a Gauss-Newton matrix at the start": _local_quasi_newton,
    "BFGS from the class's mean Gauss-Newton matrix": lambda problem: _quasi_newton(problem, problem.metric),
}
"""Every solver by its name; the last is the product's."""
