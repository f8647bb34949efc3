import copy
import itertools

import torch
from torch import Tensor

from eabs.decoding import FoldedDecoders
from eabs.networks import EABS
from eabs.quasi_newton import QuasiNewton, gauss_newton_metric
from eabs.workers import Workers


def random_quadratics(count: int, size: int) -> tuple[Tensor, Tensor]:
    """Hessians (L, M, M) with eigenvalues from 1 to 100, and minima (L, M)."""
    generator = torch.Generator().manual_seed(2)
    bases, _ = torch.linalg.qr(torch.randn(count, size, size, generator=generator))
    return bases @ torch.diag(torch.logspace(0, 2, size)) @ bases.mT, torch.randn(count, size, generator=generator)


def minimise(lanes: QuasiNewton, hessians: Tensor, minima: Tensor, steps: int) -> list[Tensor]:
    """The best values after every step."""
    found = []
    for _ in range(steps):
        offsets = lanes.propose() - minima
        gradients = torch.bmm(hessians, offsets[:, :, None])[:, :, 0]
        lanes.accept(0.5 * (offsets * gradients).sum(1), gradients)
        found.append(lanes.values)
    return found


def test_with_the_true_inverse_hessian_the_first_long_enough_step_is_the_last() -> None:
    hessians, minima = random_quadratics(20, 6)
    start = minima + 0.1 * torch.ones(20, 6)
    values = minimise(QuasiNewton(start, torch.linalg.inv(hessians)), hessians, minima, 2)
    assert (values[0] > 0.01).all()
    assert (values[1] < 1e-4).all()


def test_it_converges_from_a_wrong_metric_and_never_climbs() -> None:
    hessians, minima = random_quadratics(20, 6)
    metric = 0.05 * torch.eye(6).repeat(20, 1, 1)
    values = minimise(QuasiNewton(torch.zeros(20, 6), metric), hessians, minima, 60)
    assert all((later <= earlier).all() for earlier, later in itertools.pairwise(values))
    assert (values[-1] < 1e-3).all()


def test_a_promise_is_what_a_quadratic_still_has_to_give() -> None:
    hessians, minima = random_quadratics(20, 6)
    lanes = QuasiNewton(torch.zeros(20, 6), torch.linalg.inv(hessians))
    minimise(lanes, hessians, minima, 1)
    torch.testing.assert_close(lanes.promises, lanes.values, rtol=1e-3, atol=1e-3)


def test_lanes_advance_alike_whoever_leaves_or_joins() -> None:
    hessians, minima = random_quadratics(6, 4)
    metric = 0.02 * torch.eye(4).repeat(6, 1, 1)
    alone = QuasiNewton(torch.zeros(6, 4), metric.clone())
    minimise(alone, hessians, minima, 7)
    mixed = QuasiNewton(torch.zeros(4, 4), metric[:4].clone())
    minimise(mixed, hessians[:4], minima[:4], 3)
    mixed.keep(torch.tensor([1, 3]))
    newcomers = QuasiNewton(torch.zeros(2, 4), metric[4:].clone())
    minimise(newcomers, hessians[4:], minima[4:], 3)
    mixed.join(newcomers)
    left = torch.tensor([1, 3, 4, 5])
    minimise(mixed, hessians[left], minima[left], 4)
    torch.testing.assert_close(mixed.points, alone.points[left])
    torch.testing.assert_close(mixed.values, alone.values[left])


def test_the_metric_is_the_inverse_of_the_mean_gauss_newton_matrix(toy: EABS) -> None:
    latents = torch.randn(40, 2, generator=torch.Generator().manual_seed(1))
    metric = gauss_newton_metric(FoldedDecoders.fold(toy.decoders), latents, Workers(1, torch.device("cpu")))
    jacobians = torch.stack([torch.func.jacrev(lambda z: toy.decoders(z[None])[0].flatten(1))(z) for z in latents])
    matrices = 2 * (jacobians.mT @ jacobians).mean(0)
    assert (torch.linalg.eigvalsh(metric) > 0).all()
    remainder = torch.linalg.inv(metric) - matrices
    off_diagonal = remainder - torch.diag_embed(remainder.diagonal(dim1=1, dim2=2))
    assert off_diagonal.abs().max() < 0.03 * matrices.abs().max()
    ridges = remainder.diagonal(dim1=1, dim2=2) / matrices.diagonal(dim1=1, dim2=2).mean(1, keepdim=True)
    torch.testing.assert_close(ridges, torch.full_like(ridges, 0.1), rtol=0, atol=0.05)


def test_a_class_whose_images_do_not_depend_on_the_latent_has_a_metric_all_the_same(toy: EABS) -> None:
    dead = copy.deepcopy(toy)
    dead.decoders.linear_weight.zero_()
    metric = gauss_newton_metric(FoldedDecoders.fold(dead.decoders), torch.randn(8, 2), Workers(1, torch.device("cpu")))
    assert metric.isfinite().all()
