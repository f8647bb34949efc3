"""The parameters of an inference request: those of /classify that its outputs can show, in the same words."""

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import ValidationError

from service.choices import ClassifyChoice
from service.errors import Invalid
from service.models.served_model import ServedModel
from service.open_inference.outputs import RADIUS, Wanted, wanted_outputs
from service.open_inference.schemas import InferRequest, Parameter
from service.problems import describe_validation
from service.routes.queries import ClassifyQuery

_CLASSIFY = ("classifier", "effort", "solver", "certificate", "sigma", "n0", "n", "alpha", "seed")
_BINARY, _TIMEOUT = "binary_data_output", "timeout"
_KNOWN = (*_CLASSIFY, _BINARY, _TIMEOUT)


@dataclass(frozen=True)
class Asked:
    """What an inference request asks for; `timeout_s` is the time that it gives the server, if it says."""

    choice: ClassifyChoice
    wanted: list[Wanted]
    timeout_s: float | None


def read_parameters(request: InferRequest, model: ServedModel) -> Asked:
    """What a request asks of a model.

    Without `certificate`, the radius is that of the model's cheap and sound certificate, its prototype bank's; a
    request that names no outputs gets 0 from a model that has no bank.

    Raises:
        Invalid: an unknown parameter or output, another value, or parameters and outputs that do not fit together.
    """
    parameters = dict(request.parameters or {})
    unknown = [name for name in parameters if name not in _KNOWN]
    if unknown:
        raise Invalid(f"parameters: expected any of {', '.join(_KNOWN)}, got {unknown[0][:40]!r}")
    binary = parameters.pop(_BINARY, False)
    if not isinstance(binary, bool):
        raise Invalid(f"parameters.{_BINARY}: expected true or false, got {str(binary)[:40]!r}")
    timeout_s = _timeout_s(parameters.pop(_TIMEOUT, None))
    wanted = wanted_outputs(request.outputs, binary=binary, classes=len(model.labels))
    return Asked(_choice(parameters, model, wanted, by_name=bool(request.outputs)), wanted, timeout_s)


def _choice(
    parameters: Mapping[str, Parameter], model: ServedModel, wanted: list[Wanted], *, by_name: bool
) -> ClassifyChoice:
    wants_radius = RADIUS in {output.name for output in wanted}
    default = "finite-bank" if wants_radius and model.has_prototypes else "none"
    try:
        query = ClassifyQuery.model_validate({"certificate": default, **parameters})
    except ValidationError as error:
        found = describe_validation(error.errors(include_url=False))
        raise Invalid(f"parameters: {found}") from error
    if query.certificate != "none" and not wants_radius:
        raise Invalid(f"parameters.certificate: expected only with the output {RADIUS}, got {query.certificate!r}")
    if query.certificate == "none" and wants_radius and by_name:
        raise Invalid(f"{RADIUS}: expected a certificate of {', '.join(model.methods)}, got none")
    return query.classification()


def _timeout_s(microseconds: Parameter | None) -> float | None:
    if microseconds is None:
        return None
    if type(microseconds) is not int or not 1 <= microseconds <= 10**12:
        raise Invalid(f"parameters.{_TIMEOUT}: expected 1 to 10^12 microseconds, got {str(microseconds)[:40]!r}")
    return microseconds / 1e6
