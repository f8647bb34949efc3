"""A run's curves, for TensorBoard."""

from pathlib import Path
from types import TracebackType
from typing import Self


class Curves:
    """Writes curves beside a run's log; a context manager."""

    def __init__(self, run: Path, *, after: int) -> None:
        """Goes on after a step: what the curves in the run's folder say of later ones is dropped."""
        # Here, since it takes a third of a second, for which commands that train nothing need not wait.
        from torch.utils.tensorboard import SummaryWriter  # noqa: PLC0415

        self._writer = SummaryWriter(str(run / "tensorboard"), purge_step=after)

    def add(self, name: str, value: float, step: int) -> None:
        """A point of the curve of this name."""
        self._writer.add_scalar(name, value, step)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.close()
