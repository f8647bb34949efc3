"""What may be asked of a classification or a certificate; docs/api.md says what each does. None is as if absent."""

from typing import Literal, TypedDict

from client.answers import Classifier, Effort, Method, Solver


class _Options(TypedDict, total=False):
    model: str | None
    version: str | None
    classifier: Classifier | None
    bracket: bool | None
    sigma: float | None
    n0: int | None
    n: int | None
    alpha: float | None
    seed: int | None


class ClassifyOptions(_Options, total=False):
    """The query of /classify."""

    effort: Effort | None
    solver: Solver | None
    certificate: Method | Literal["none"] | None
    explain: bool | None
    reject: bool | None


class CertifyOptions(_Options, total=False):
    """The query of /certify."""

    method: Method | None
