"""`eabs classify --url`: a server's answer, in the form of the answers that are made here."""

from collections.abc import Sequence

from cli.console import fail
from client import Client, EABSError
from service.choices import ClassifyChoice
from service.schemas import ClassifyAnswer

_TIMEOUT_S = 300.0


def classify_remotely(
    images: Sequence[bytes], url: str, *, model: str | None, choice: ClassifyChoice, api_key: str | None
) -> ClassifyAnswer:
    """Classifies encoded images by a server; ends the command where it does not answer.

    Args:
        images: PNG, JPEG or WebP.
        url: the server's.
        model: `name`, `name@version` or `name@alias`; None is the server's default.
        choice: as it would be made here.
        api_key: where the server asks for one.
    """
    name, _, version = (model or "").partition("@")
    latent = choice.classifier == "latent"
    try:
        with Client(url, api_key=api_key, timeout_s=_TIMEOUT_S) as client:
            answer = client.classify(
                images,
                model=name or None,
                version=version or None,
                classifier=choice.classifier,
                effort=choice.effort,
                solver=choice.solver if latent else None,
                certificate=None if choice.certificate is None else choice.certificate.method,
                explain=choice.explain,
                reject=choice.reject,
            )
    except EABSError as error:
        fail(f"{url}: {error}")
    except ValueError as error:
        fail(str(error), usage=True)
    return ClassifyAnswer.model_validate(answer.model_dump(exclude_unset=True))
