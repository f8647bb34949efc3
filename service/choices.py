"""What a caller may choose: who decides, for how long, and with which certificate."""

import secrets
from dataclasses import dataclass

from eabs.certificates.smoothing import SmoothingSettings
from eabs.settings import Effort, Solver
from service.errors import Invalid
from service.jobs import (
    Certify,
    CertifyExactInference,
    CertifyFiniteBank,
    CertifySmoothing,
    Classifier,
    Classify,
    ClassifyByPrototypes,
    Job,
    Method,
    Scores,
    choose_settings,
)
from service.models.served_model import ServedModel

_DEFAULTS = SmoothingSettings()


@dataclass(frozen=True)
class CertificateChoice:
    """The certificate that a caller asks for; the smoothing settings are used by smoothing alone.

    `bracket` adds an attack's upper bound. `seed` is of the noise: None draws one that nobody could know before.
    """

    method: Method
    bracket: bool = False
    sigma: float = _DEFAULTS.sigma
    n0: int = _DEFAULTS.n0
    n: int = _DEFAULTS.n
    alpha: float = _DEFAULTS.alpha
    seed: int | None = None

    def job(self, model: ServedModel) -> Certify:
        """The job that makes the certificate.

        Raises:
            Invalid: the model has no prototype bank, and the certificate is of one.
        """
        if self.method == "exact-inference":
            return CertifyExactInference(model.digest, bracket=self.bracket)
        if self.method == "finite-bank":
            _check_prototypes(model)
            return CertifyFiniteBank(model.digest, bracket=self.bracket)
        seed = secrets.randbits(32) if self.seed is None else self.seed
        settings = SmoothingSettings(sigma=self.sigma, n0=self.n0, n=self.n, alpha=self.alpha, seed=seed)
        return CertifySmoothing(model.digest, settings, model.smoothing_base, bracket=self.bracket)


@dataclass(frozen=True)
class ClassifyChoice:
    """The classification that a caller asks for.

    classifier: what decides.
    effort: how long latent inference optimises; None is the model's default.
    solver: `quasi-newton`, or `adam` for the paper's inference, which has no efforts.
    certificate: which certificate to add.
    explain: whether to add every class's best reconstruction, or its nearest prototype.
    reject: whether an image that is out of distribution gets no prediction, and no certificate is made of it.
    """

    classifier: Classifier = "latent"
    effort: Effort | None = None
    solver: Solver = "quasi-newton"
    certificate: CertificateChoice | None = None
    explain: bool = False
    reject: bool = False

    def job(self, model: ServedModel) -> Job[Scores]:
        """The job that classifies; the certificate has its own.

        Raises:
            Invalid: the model has no prototype bank, and is to decide by it.
            ValueError: an effort was named for `adam`.
        """
        if self.classifier == "finite-bank":
            _check_prototypes(model)
            return ClassifyByPrototypes(model.digest, explain=self.explain)
        settings = choose_settings(self.solver, self.effort, default=model.default_effort)
        return Classify(model.digest, settings, explain=self.explain)


def _check_prototypes(model: ServedModel) -> None:
    if not model.has_prototypes:
        raise Invalid(
            f"finite-bank: expected a model with a prototype bank, got {model.name} {model.version}, which has none"
        )
