"""What was computed for an image is not computed again."""

from collections import OrderedDict
from collections.abc import Callable

import torch
from torch import Tensor


class Memory:
    """A function of single rows, remembered by their content.

    Attacks ask about the same image again and again: DeepFool once for every class, a search that has not moved.
    """

    def __init__(self, function: Callable[[Tensor], tuple[Tensor, ...]], *, capacity: int = 256) -> None:
        """Args:
        function: rows (n, ...) to results, each (n, ...).
        capacity: how many rows to keep, those asked about last; never less than the last call's.
        """
        self._function = function
        self._capacity = capacity
        self._kept: OrderedDict[bytes, tuple[Tensor, ...]] = OrderedDict()

    def __call__(self, rows: Tensor) -> tuple[Tensor, ...]:
        """The function's results for rows (N, ...), N at least 1."""
        keys = [row.numpy().tobytes() for row in rows.detach().cpu().contiguous()]
        new: dict[bytes, int] = {}
        for index, key in enumerate(keys):
            if key in self._kept:
                self._kept.move_to_end(key)
            else:
                new.setdefault(key, index)
        if new:
            chosen = torch.tensor(list(new.values()), device=rows.device)
            for key, *found in zip(new, *self._function(rows[chosen]), strict=True):
                self._kept[key] = tuple(found)
        results = tuple(torch.stack(parts) for parts in zip(*(self._kept[key] for key in keys), strict=True))
        while len(self._kept) > max(self._capacity, len(keys)):
            self._kept.popitem(last=False)
        return results
