"""What a supervisor and its workers know of each other: a few bytes of shared memory."""

from multiprocessing.context import SpawnContext


class Group:
    """Who is loaded, and whether all have been.

    /readyz says yes once the first workers are all loaded: until then a request may come to one that is not. After that
    a worker that takes the place of another is not connected to anybody before it is loaded.
    """

    def __init__(self, context: SpawnContext, workers: int) -> None:
        self._loaded = context.RawArray("b", workers)
        self._open = context.RawValue("b", 0)
        self._ending = context.RawValue("b", 0)

    @property
    def is_open(self) -> bool:
        """Whether all workers have been loaded at the same time once."""
        return bool(self._open.value)

    @property
    def is_ending(self) -> bool:
        """Whether all workers are to end, not one alone."""
        return bool(self._ending.value)

    def end(self) -> None:
        """Notes that all workers are to end, before they are told."""
        self._ending.value = 1

    @property
    def serving(self) -> bool:
        """Whether any worker is loaded."""
        return any(self._loaded)

    def is_loaded(self, worker: int) -> bool:
        """Whether a worker has its models."""
        return bool(self._loaded[worker])

    def note(self, worker: int, *, loaded: bool) -> None:
        """Notes that a worker has its models, or that it has died."""
        self._loaded[worker] = loaded

    def open_if_complete(self) -> None:
        """Opens the group for good once all are loaded; for the supervisor alone."""
        if all(self._loaded):
            self._open.value = 1

    def closed_because(self) -> str | None:
        """Why no work should be sent to any worker; None where it should."""
        return None if self.is_open else "Other workers are still loading their models."
