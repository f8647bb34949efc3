"""Query parameters: only the known ones, each with the values that this server offers."""

from typing import Annotated, Any, Literal

from fastapi import Header
from pydantic import BaseModel, ConfigDict, Field, model_validator

from eabs.certificates.smoothing import SmoothingSettings
from eabs.settings import Effort, Solver
from service.choices import CertificateChoice, ClassifyChoice
from service.jobs import Classifier, Method, choose_settings

_DEFAULTS = SmoothingSettings()

TimeoutMs = Annotated[
    int | None,
    Header(
        alias="X-Request-Timeout-Ms",
        ge=1,
        description="Time for the request, in ms, if less than the server allows; then the answer is 504",
    ),
]


class _KnownOnly(BaseModel):
    """Refuses parameters that it does not know, and says which it knows: a typo must not be ignored."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _is_known(cls, values: Any) -> Any:
        unknown = [name for name in values if name not in cls.model_fields]
        if unknown:
            raise ValueError(f"expected parameters of {', '.join(cls.model_fields)}, got {unknown[0][:40]!r}")
        return values


class ModelQuery(_KnownOnly):
    """Which model a request means."""

    model: str | None = Field(None, description="The model's name; the server's default if absent")
    version: str | None = Field(None, description="A loaded version, or an alias of one")


class CertificateQuery(ModelQuery):
    """Who decides, and what a certificate is made of."""

    classifier: Classifier = Field("latent", description="What decides: latent inference, or the nearest prototype")
    bracket: bool = Field(
        False,
        description="Adds to a certificate the size of the smallest adversarial perturbation that a short attack finds",
    )
    sigma: float = Field(
        _DEFAULTS.sigma, ge=0.01, le=4, description="smoothing: standard deviation of the noise, in [0, 1] pixels"
    )
    n0: int = Field(_DEFAULTS.n0, ge=10, le=10_000, description="smoothing: samples that select the class")
    n: int = Field(_DEFAULTS.n, ge=100, le=100_000, description="smoothing: samples that estimate its probability")
    alpha: float = Field(
        _DEFAULTS.alpha, ge=1e-6, le=0.1, description="smoothing: probability that the certificate does not hold"
    )
    seed: int | None = Field(None, ge=0, lt=2**32, description="smoothing: of the noise; drawn anew if absent")

    def choice(self, method: Method) -> CertificateChoice:
        """The certificate that the query asks for.

        Raises:
            ValueError: it sets what this method does not have.
        """
        smoothing = {name: getattr(self, name) for name in _SMOOTHING & self.model_fields_set}
        if method != "smoothing" and smoothing:
            raise ValueError(f"{min(smoothing)}: expected only with smoothing, got it with {method}")
        return CertificateChoice(method, bracket=self.bracket, **smoothing)


_SMOOTHING = {"sigma", "n0", "n", "alpha", "seed"}


class ClassifyQuery(CertificateQuery):
    """The query of /classify."""

    effort: Effort | None = Field(None, description="How long to optimise; the model's default if absent")
    solver: Solver = Field("quasi-newton", description="How to optimise; adam is the paper's way, without `effort`")
    certificate: Method | Literal["none"] = Field("none", description="Whether to certify the answer, and how")
    explain: bool = Field(False, description="Adds each class's best reconstruction as a PNG")
    reject: bool = Field(False, description="Answers without a prediction where the image is out of distribution")

    @model_validator(mode="after")
    def _fits_together(self) -> "ClassifyQuery":
        choose_settings(self.solver, self.effort, default="standard")
        if self.classifier == "finite-bank" and self.model_fields_set & {"effort", "solver"}:
            raise ValueError(
                "effort, solver: expected neither with the classifier finite-bank, which optimises nothing"
            )
        if self.certificate == "none" and (unused := self.model_fields_set & {"bracket", *_SMOOTHING}):
            raise ValueError(f"{min(unused)}: expected only with a certificate, got it with none")
        if self.certificate != "none":
            self.choice(self.certificate)
        return self

    def classification(self) -> ClassifyChoice:
        """What the query asks of /classify."""
        certificate = None if self.certificate == "none" else self.choice(self.certificate)
        return ClassifyChoice(self.classifier, self.effort, self.solver, certificate, self.explain, self.reject)


class CertifyQuery(CertificateQuery):
    """The query of POST /certify."""

    method: Method = Field("exact-inference", description="How to certify")

    @model_validator(mode="after")
    def _fits_the_method(self) -> "CertifyQuery":
        self.choice(self.method)
        return self


class CertifyOneQuery(CertifyQuery):
    """The query of GET /certify: one of `image_id` and `image`."""

    image_id: str | None = Field(
        None,
        description="An image that was classified before, `sha256:<hex>`",
        examples=["sha256:87b3c3fba1b824f92d7a46bd0aaf1598be7890522b4c59a820341ec9368e036f"],
    )
    image: str | None = Field(None, description="An encoded image of at most 8 KiB, as base64url")

    @model_validator(mode="after")
    def _names_one_image(self) -> "CertifyOneQuery":
        if (self.image_id is None) == (self.image is None):
            raise ValueError(f"expected one of image_id and image, got {'none' if self.image is None else 'both'}")
        return self


class NoQuery(_KnownOnly):
    """The query of a route that takes no parameters."""
