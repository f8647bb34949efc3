import math

import torch

from benchmarks.solvers import BUDGETS, SOLVERS, compare_solvers
from eabs.inference import LatentInference
from tests.eabs.toy import random_model
from tests.small_architectures import SMALL_GREY


def test_every_solver_is_compared_at_every_budget_and_none_is_below_the_optimum() -> None:
    inference = LatentInference.prepare(random_model(SMALL_GREY), beta=1.0, seed=0, candidates=16)
    images = torch.rand(2, 1, 28, 28, generator=torch.Generator().manual_seed(1))
    heard: list[int] = []
    found = compare_solvers(inference, images, heard.append)
    assert [result.solver for result in found] == list(SOLVERS)
    assert heard == [2]
    for result in found:
        assert len(result.median) == len(BUDGETS)
        known = [gap for gap in result.median if not math.isnan(gap)]
        assert known, result.solver
        assert min(known) >= 0
        assert known == sorted(known, reverse=True), result.solver
