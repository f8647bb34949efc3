"""On a GPU: one step of every lane as one CUDA graph, replayed without a launch for each of its hundred kernels.

A graph knows one shape and its own memory. So it has slots, `rows` of them for every class; lanes are copied to the
slots that they take, and back. Graphs are captured at the first need and kept, by their number of rows, which is a
power of two.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from eabs.candidates import Objective
from eabs.decoding import FoldedDecoders
from eabs.lanes import LaneObjective, spread_out
from eabs.penalty import Penalty
from eabs.quasi_newton import QuasiNewton

Replay = Callable[[], object]
Capture = Callable[[Callable[[], None]], Replay]

_WARM_UPS = 3


def capture_cuda_graph(work: Callable[[], None]) -> Replay:
    """Runs `work` a few times, as capturing demands, and captures it."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(_WARM_UPS):
            work()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        work()
    return graph.replay


class CapturedStep:
    """A step of `rows` lanes of every class, captured."""

    def __init__(
        self,
        decoders: FoldedDecoders,
        penalty: Penalty,
        *,
        rows: int,
        objective: Objective,
        capture: Capture,
    ) -> None:
        architecture = decoders.architecture
        K, M = architecture.classes, architecture.latent
        device = decoders.device
        self.rows = rows
        self.objective: Objective = objective
        identity = torch.eye(M, device=device).repeat(rows * K, 1, 1)
        self._state = QuasiNewton(torch.zeros(rows * K, M, device=device), identity)
        self._lane_objective = LaneObjective(
            decoders,
            penalty,
            targets=torch.zeros(rows * K, architecture.pixels, device=device),
            classes=torch.arange(K, device=device).repeat(rows),
            objective=objective,
        )
        self._replay = capture(self._step)

    def load(self, lanes: QuasiNewton, slots: Tensor, targets: Tensor) -> None:
        """Puts lanes, and the images (L, P) that they aim at, into slots (L,)."""
        for name, buffer in vars(self._state).items():
            buffer.index_copy_(0, slots, getattr(lanes, name))
        self._lane_objective.aim(slots, targets)

    def step(self, lanes: QuasiNewton, slots: Tensor) -> None:
        """Advances every slot, and takes the lanes' new state from theirs."""
        self._replay()
        for name, buffer in vars(self._state).items():
            setattr(lanes, name, buffer[slots])

    def _step(self) -> None:
        buffers = dict(vars(self._state))
        self._state.accept(*self._lane_objective.values_and_gradients(self._state.propose()))
        for name, buffer in buffers.items():
            buffer.copy_(getattr(self._state, name))
            setattr(self._state, name, buffer)


class CapturedSteps:
    """Captured steps that nobody uses at present, one user each."""

    def __init__(self, decoders: FoldedDecoders, penalty: Penalty, capture: Capture) -> None:
        self._decoders, self._penalty, self._capture = decoders, penalty, capture
        self._idle: dict[tuple[int, Objective], list[CapturedStep]] = {}

    def stepper(self, lanes: QuasiNewton, *, targets: Tensor, classes: Tensor, objective: Objective) -> "Captured":
        """A stepper for lanes with targets (L, P) and classes (L,)."""
        packing = spread_out(classes, self._decoders.architecture.classes)
        idle = self._idle.get((packing.rows, objective))
        step = idle.pop() if idle else self._make(packing.rows, objective)
        step.load(lanes, packing.slots, targets)
        return Captured(step, packing.slots, self)

    def release(self, step: CapturedStep) -> None:
        """Lets others use it."""
        self._idle.setdefault((step.rows, step.objective), []).append(step)

    def _make(self, rows: int, objective: Objective) -> CapturedStep:
        return CapturedStep(self._decoders, self._penalty, rows=rows, objective=objective, capture=self._capture)


class Captured:
    """Lanes in the slots of a captured step."""

    def __init__(self, captured: CapturedStep, slots: Tensor, pool: CapturedSteps) -> None:
        self.size = len(slots)
        self._captured = captured
        self._slots = slots
        self._pool = pool

    def step(self, lanes: QuasiNewton) -> None:
        """Advances the lanes."""
        self._captured.step(lanes, self._slots)

    def keep(self, lanes: Tensor) -> None:
        """Forgets all lanes but `lanes` (L',) int64; those left keep their slots."""
        self._slots = self._slots[lanes]

    def close(self) -> None:
        """Lets others use the slots."""
        self._pool.release(self._captured)
