"""Matrix products in blocks of one height, so that a row's result does not depend on how many rows there are.

A CPU library picks another kernel for another number of rows, and kernels round differently. That would let an
answer depend on its neighbours in a batch. Convolutions measured free of this for up to 8 rows of at least 2 groups
(tests/eabs/test_inference.py holds answers bitwise together). On CUDA no such promise is made, and nothing is
padded.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F


def in_blocks(work: Callable[[Tensor], Tensor], rows: Tensor, height: int) -> Tensor:
    """`work(rows)` for rows (..., N, M), computed `height` rows at a time on the CPU, the last padded with zeros."""
    count = rows.shape[-2]
    if rows.is_cuda or count == height:
        return work(rows)
    padded = F.pad(rows, (0, 0, 0, -count % height))
    return torch.cat([work(block) for block in padded.split(height, dim=-2)], dim=-2)[..., :count, :]
