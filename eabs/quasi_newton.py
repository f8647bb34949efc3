"""A damped BFGS method for many small problems at once.

The latent objective is nonlinear least squares plus a smooth term, in 10 to 40 dimensions, and a gradient costs as
much as three function values. A quasi-Newton method needs one gradient a step. It starts with an inverse Hessian
that is already right on average: the class's mean Gauss-Newton matrix (`gauss_newton_metric`), known before any
image comes. Source of the update: Nocedal & Wright, Numerical Optimization (2006), equation (6.17).
"""

import torch
from torch import Tensor

from eabs.decoding import MAX_CPU_ROWS, FoldedDecoders
from eabs.workers import Workers

_LONGEST_STEP = 1.0  # in standard deviations of the prior: where the quadratic model is not trusted any more
_SHRINK, _GROW = 0.4, 2.0
_LEAST_CURVATURE = 1e-4
_DIFFERENCE = 1e-3
_RIDGE, _LEAST_RIDGE = 0.1, 1e-3


def gauss_newton_metric(decoders: FoldedDecoders, latents: Tensor, workers: Workers) -> Tensor:
    """The inverse of each class's mean Gauss-Newton matrix E[2 J^T J] + ridge.

    J = dG_k/dz, by differences.

    Args:
        decoders: one group for every class.
        latents: (N, M), from the prior; what the mean is taken over.
        workers: who computes.

    Returns:
        (K, M, M), symmetric and positive definite.
    """
    architecture = decoders.architecture
    K, M = architecture.classes, architecture.latent
    offsets = _DIFFERENCE * torch.eye(M, device=latents.device)

    def products(batch: Tensor) -> Tensor:
        points = batch.unsqueeze(1).expand(-1, K, -1)
        here = decoders.decode(points)
        columns = [(decoders.decode(points + offset) - here).flatten(2) for offset in offsets]
        jacobians = torch.stack(columns, dim=3).div_(_DIFFERENCE)
        found: Tensor = torch.einsum("nkpa,nkpb->kab", jacobians, jacobians)
        return found

    mean = torch.stack(workers.map(products, latents.split(MAX_CPU_ROWS))).sum(0) * (2 / len(latents))
    inverse: Tensor
    (inverse,) = workers.map(inverse_with_ridge, [mean])
    return inverse


def inverse_with_ridge(matrices: Tensor) -> Tensor:
    """The inverses of positive semidefinite matrices (L, M, M), each with a tenth of its mean eigenvalue added."""
    # A class whose images do not depend on z, early in training, has no curvature at all.
    ridges = (_RIDGE * matrices.diagonal(dim1=1, dim2=2).mean(1)).clamp_min(_LEAST_RIDGE)
    inverses: Tensor = torch.linalg.inv(matrices + torch.diag_embed(ridges[:, None].expand(matrices.shape[:2])))
    return inverses


class QuasiNewton:
    """L minimisations, one a lane, that advance together: `propose`, evaluate there, `accept`.

    `points` (L, M) and `values` (L,) are the best found so far; `promises` (L,) what the quadratic model says that a
    full step would still gain.

    Values and gradients that autograd tracks make points and values that it tracks: the method can be differentiated,
    its decisions held fixed.
    """

    def __init__(self, points: Tensor, metric: Tensor) -> None:
        """Args:
        points: (L, M), where to start.
        metric: (L, M, M), the inverse Hessians to start with.
        """
        self.points = points
        self.values = points.new_full((len(points),), torch.inf)
        self.promises = points.new_full((len(points),), torch.inf)
        self._gradients = torch.zeros_like(points)
        self._inverse_hessians = metric
        self._directions = torch.zeros_like(points)
        self._scales = torch.ones_like(self.values)
        self._steps = torch.zeros_like(points)

    def propose(self) -> Tensor:
        """Where to evaluate next (L, M): the start itself, and later a damped quasi-Newton step from the best."""
        lengths = torch.linalg.vector_norm(self._directions, dim=1)
        self._steps = self._directions * (self._scales * (_LONGEST_STEP / lengths.clamp_min(_LONGEST_STEP)))[:, None]
        return self.points + self._steps

    def accept(self, values: Tensor, gradients: Tensor) -> None:
        """Takes in what was found at the proposal: values (L,), gradients (L, M). Better points are moved to."""
        steps, changes = self._steps, gradients - self._gradients
        curvatures = (steps * changes).sum(1)
        norms = torch.linalg.vector_norm(steps, dim=1) * torch.linalg.vector_norm(changes, dim=1)
        # The update keeps the matrix positive definite only where the curvature is; a first step is none.
        updated = curvatures > _LEAST_CURVATURE * norms
        reciprocals = torch.where(updated, curvatures, torch.inf).reciprocal()[:, None]
        images = _product(self._inverse_hessians, changes)
        quadratics = (changes * images).sum(1, keepdim=True)
        halves = 0.5 * (reciprocals.square() * quadratics + reciprocals) * steps - reciprocals * images
        update = torch.stack([steps, halves], 2), torch.stack([halves, steps], 1)
        self._inverse_hessians = torch.baddbmm(self._inverse_hessians, *update)
        better = values < self.values
        self.points = torch.where(better[:, None], self.points + steps, self.points)
        self._gradients = torch.where(better[:, None], gradients, self._gradients)
        self.values = torch.where(better, values, self.values)
        self._scales = torch.where(better, (self._scales * _GROW).clamp_max_(1), self._scales * _SHRINK)
        self._directions = -_product(self._inverse_hessians, self._gradients)
        self.promises = -0.5 * (self._directions * self._gradients).sum(1)

    def keep(self, lanes: Tensor) -> None:
        """Forgets all lanes but `lanes` (L',) int64."""
        for name, value in vars(self).items():
            setattr(self, name, value[lanes])

    def join(self, other: "QuasiNewton") -> None:
        """Appends the lanes of `other`."""
        for name, value in vars(self).items():
            setattr(self, name, torch.cat([value, getattr(other, name)]))


def _product(matrices: Tensor, vectors: Tensor) -> Tensor:
    """Matrices (L, M, M) times vectors (L, M). A library's product would round a lane by how many there are."""
    return (matrices * vectors[:, None, :]).sum(2)
