"""Query parameters: only the known ones, each with the values that this server offers."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from eabs.settings import Effort, Solver
from service.jobs import choose_settings


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


class ClassifyQuery(ModelQuery):
    """The query of /classify."""

    effort: Effort | None = Field(None, description="How long to optimise; the model's default if absent")
    solver: Solver = Field("quasi-newton", description="How to optimise; adam is the paper's way, without `effort`")
    classifier: Literal["latent"] = Field("latent", description="What decides: latent inference")
    certificate: Literal["none", "exact-inference"] = Field("none", description="Whether to certify the answer")
    explain: bool = Field(False, description="Adds each class's best reconstruction as a PNG")

    @model_validator(mode="after")
    def _fits_together(self) -> "ClassifyQuery":
        choose_settings(self.solver, self.effort, default="standard")
        return self


class CertifyQuery(ModelQuery):
    """The query of POST /certify."""

    method: Literal["exact-inference"] = Field("exact-inference", description="How to certify")


class CertifyOneQuery(CertifyQuery):
    """The query of GET /certify: one of `image_id` and `image`."""

    image_id: str | None = Field(None, description="An image that was classified before, `sha256:<hex>`")
    image: str | None = Field(None, description="An encoded image of at most 8 KiB, as base64url")

    @model_validator(mode="after")
    def _names_one_image(self) -> "CertifyOneQuery":
        if (self.image_id is None) == (self.image is None):
            raise ValueError(f"expected one of image_id and image, got {'none' if self.image is None else 'both'}")
        return self


class NoQuery(_KnownOnly):
    """The query of a route that takes no parameters."""
