"""From what the engine found to the answer's body."""

from collections.abc import Sequence

from service.choices import ClassifyChoice
from service.models.served_model import ServedModel
from service.open_inference.framing import write_message
from service.open_inference.outputs import RADIUS, Wanted
from service.open_inference.schemas import InferResponse, Parameter
from service.use_cases import Findings


def write_answer(
    model: ServedModel, found: Findings, *, choice: ClassifyChoice, wanted: Sequence[Wanted], request_id: str | None
) -> tuple[bytes, int | None]:
    """The body of an answer, and how much of it is JSON; None where all of it is.

    Args:
        model: who answered.
        found: what it found.
        choice: what it was asked.
        wanted: the outputs.
        request_id: the request's `id`.
    """
    head = InferResponse(
        model_name=model.name,
        model_version=model.version,
        id=request_id,
        parameters=_parameters(found, choice, has_radius=RADIUS in {output.name for output in wanted}),
        outputs=[],
    )
    return write_message(head, [(output.tensor(model, found), output.binary) for output in wanted])


def _parameters(found: Findings, choice: ClassifyChoice, *, has_radius: bool) -> dict[str, Parameter]:
    """What decided; of a radius, also the certificate that it is of, and what is needed to repeat it."""
    parameters: dict[str, Parameter] = {"classifier": choice.classifier}
    job = found.certify_job
    if job is not None:
        parameters |= {"certificate": job.kind, "certified_classifier": job.classifier, "sound": job.sound}
        optional = {"confidence": job.confidence, "seed": job.seed}
        parameters |= {name: value for name, value in optional.items() if value is not None}
    elif has_radius:
        parameters["certificate"] = "none"
    return parameters
