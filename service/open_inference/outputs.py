"""The output tensors: which ones there are, and what they hold."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.errors import Invalid
from service.models.served_model import ServedModel
from service.open_inference.schemas import RequestOutput
from service.open_inference.tensors import Tensor
from service.use_cases import Findings


@dataclass(frozen=True)
class Output:
    """An output of every model: its datatype, its shape after the number of images, and how it is found.

    `shape` maps the number of classes to the shape.
    """

    datatype: str
    shape: Callable[[int], tuple[int, ...]]
    values: Callable[[ServedModel, Findings], NDArray[Any]]


def _predictions(_: ServedModel, found: Findings) -> NDArray[np.int64]:
    return np.array([scores.outcome.prediction for scores in found.scores], np.int64)


def _labels(model: ServedModel, found: Findings) -> NDArray[np.str_]:
    return np.array([model.labels[scores.outcome.prediction] for scores in found.scores])


def _log_likelihoods(_: ServedModel, found: Findings) -> NDArray[np.float32]:
    return -np.stack([scores.outcome.scores for scores in found.scores])


def _radii(_: ServedModel, found: Findings) -> NDArray[np.float64]:
    """0, which promises nothing, where there is no certificate."""
    certified = [found.certified(index) for index in range(len(found.scores))]
    return np.array(
        [
            0.0 if one is None else one.radius(served=scores.outcome.prediction)
            for one, scores in zip(certified, found.scores, strict=True)
        ],
        np.float64,
    )


# A radius is a lower bound in float64; as FP32 it could be rounded up, and be none.
OUTPUTS: Mapping[str, Output] = {
    "prediction": Output("INT64", lambda _: (), _predictions),
    "label": Output("BYTES", lambda _: (), _labels),
    "log_likelihood": Output("FP32", lambda K: (K,), _log_likelihoods),
    "radius": Output("FP64", lambda _: (), _radii),
}
RADIUS = "radius"
_CLASSIFIABLE = "log_likelihood"


@dataclass(frozen=True)
class Wanted:
    """An output that a request asks for: as binary data or JSON, and with how many of the best classes instead of its
    values, if so."""

    name: str
    binary: bool
    classification: int | None = None

    def tensor(self, model: ServedModel, found: Findings) -> Tensor:
        """What was found, as this output."""
        output = OUTPUTS[self.name]
        values = output.values(model, found)
        if self.classification is None:
            return Tensor(self.name, output.datatype, values)
        return Tensor(self.name, "BYTES", _best_classes(values, model.labels, self.classification))


def wanted_outputs(asked: Sequence[RequestOutput] | None, *, binary: bool, classes: int) -> list[Wanted]:
    """What a request asks for; all outputs if it names none.

    Args:
        asked: the request's outputs.
        binary: whether those come as binary data that do not say.
        classes: K of the model.

    Raises:
        Invalid: an unknown output, one twice, or a classification that there is none of.
    """
    if not asked:
        return [Wanted(name, binary) for name in OUTPUTS]
    wanted: dict[str, Wanted] = {}
    for output in asked:
        name = output.name
        if name not in OUTPUTS:
            raise Invalid(f"outputs: expected one of {', '.join(OUTPUTS)}, got {name[:40]!r}")
        if name in wanted:
            raise Invalid(f"outputs: expected each once, got {name!r} again")
        parameters = output.parameters
        count = None if parameters is None else parameters.classification
        if count is not None and (name != _CLASSIFIABLE or count > classes):
            raise Invalid(
                f"classification: expected at most {classes} classes, of the output {_CLASSIFIABLE}, "
                f"got {min(count, 10**9)} of {name}"
            )
        chosen = None if parameters is None else parameters.binary_data
        wanted[name] = Wanted(name, binary if chosen is None else chosen, count)
    return list(wanted.values())


def _best_classes(values: NDArray[np.float32], labels: Sequence[str], count: int) -> NDArray[np.str_]:
    """`<value>:<index>:<label>` of the highest values (B, K), the best first: (B, count).

    Of equal values the lower index comes first, as in `Scores.prediction`.
    """
    best = np.argsort(-values, axis=1, kind="stable")[:, :count]
    rows = zip(values, best, strict=True)
    return np.array([[f"{row[index]!s}:{index}:{labels[index]}" for index in order] for row, order in rows])
