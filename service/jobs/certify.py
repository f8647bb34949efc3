"""Within which L2 distance does an answer hold? One job a kind of certificate."""

from abc import abstractmethod
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from eabs.certificates.base_classifier import base_classifier
from eabs.certificates.bracket import (
    Confirm,
    Recreate,
    attack_upper_bound,
    recreate_by_inference,
    recreate_by_prototypes,
)
from eabs.certificates.exact_inference import ASSUMPTION, EXACT_INFERENCE, certify_exact_inference
from eabs.certificates.finite_bank import certify_finite_bank
from eabs.certificates.smoothing import (
    ABSTAIN,
    Predict,
    SmoothingSettings,
    certify_by_smoothing,
    predict_by_smoothing,
)
from eabs.settings import EFFORTS, QuasiNewtonSettings
from service.jobs.job import Classifier, Classifiers, Job, Outcome, rows_of, with_progress

Method = Literal["exact-inference", "finite-bank", "smoothing"]

_SEARCH = EFFORTS["fast"]  # what an attack on latent inference searches with; exact inference confirms
_CONFIRMATIONS = 1000  # samples, at most, that tell whether an attack has changed a smoothed answer


@dataclass(frozen=True)
class Bounds(Outcome):
    """The certificate of one image.

    `prediction`: the class that it speaks of, None where the classifier abstains. `radius`: L2 over [0, 1] pixels.
    `bounds` (K,) float64: the distance before which each class cannot win, +inf at the prediction; None of a
    certificate that does not tell rivals apart. `attack_upper_bound`: the size of the smallest adversarial
    perturbation found, inf where none was, None where none was looked for. `probability`: of a smoothed classifier,
    the lower confidence bound of its class's probability.
    """

    prediction: int | None
    radius: float
    bounds: NDArray[np.float64] | None = None
    attack_upper_bound: float | None = None
    probability: float | None = None


@dataclass(frozen=True)
class Certify(Job[Bounds]):
    """A certificate; `bracket` asks for an attack's upper bound beside it.

    `kind` is the method, `sound` whether it holds without an assumption, `assumption` the one that it rests on.
    """

    kind: ClassVar[Method]
    sound: ClassVar[bool]
    assumption: ClassVar[str | None] = None

    bracket: bool = field(default=False, kw_only=True)

    @property
    @abstractmethod
    def classifier(self) -> str:
        """The classifier that the certificate speaks of."""

    @property
    def confidence(self) -> float | None:
        """How probable it is that the certificate holds, where that is not certain."""
        return None

    @property
    def seed(self) -> int | None:
        """Of the noise, where there is any."""
        return None

    def _attack(
        self, recreate: Recreate, images: Tensor, predictions: Tensor, confirm: Confirm | None = None
    ) -> Sequence[float | None]:
        if not self.bracket:
            return [None] * len(images)
        sizes: list[float] = attack_upper_bound(
            recreate, images, predictions.cpu(), confirm=confirm
        ).upper_bounds.tolist()
        return sizes


@dataclass(frozen=True)
class CertifyExactInference(Certify):
    """Equation (7), for latent inference carried to the optimum."""

    kind = "exact-inference"
    sound = False
    assumption = ASSUMPTION

    settings: QuasiNewtonSettings = EXACT_INFERENCE

    @property
    def classifier(self) -> str:
        return "exact-inference"

    @property
    def lanes(self) -> int:
        return self.settings.starts

    @property
    def effort(self) -> str:
        return "exact-inference"

    def run(self, classifiers: Classifiers, images: Tensor) -> Sequence[Bounds]:
        inference = classifiers.latent
        found = certify_exact_inference(inference, images, self.settings)

        def confirm(candidates: Tensor) -> Tensor:
            return inference.infer(candidates, replace(self.settings, objective="score")).predictions.cpu()

        attacks = self._attack(recreate_by_inference(inference, _SEARCH), images, found.predictions, confirm)
        rows = _rows(found.predictions, found.radii, found.bounds, attacks)
        return with_progress(rows, found.steps, found.converged)


@dataclass(frozen=True)
class CertifyFiniteBank(Certify):
    """The sound certificate of the nearest-prototype classifier."""

    kind = "finite-bank"
    sound = True

    @property
    def classifier(self) -> str:
        return "finite-bank"

    def run(self, classifiers: Classifiers, images: Tensor) -> Sequence[Bounds]:
        bank = classifiers.bank
        found = certify_finite_bank(bank, images)
        attacks = self._attack(recreate_by_prototypes(bank), images, found.predictions)
        return _rows(found.predictions, found.radii, found.bounds, attacks)


@dataclass(frozen=True)
class CertifySmoothing(Certify):
    """Randomised smoothing of a base classifier."""

    kind = "smoothing"
    sound = True

    settings: SmoothingSettings
    base: Classifier

    @property
    def classifier(self) -> str:
        return f"smoothed {self.base}"

    @property
    def confidence(self) -> float:
        return 1 - self.settings.alpha

    @property
    def seed(self) -> int:
        return self.settings.seed

    @property
    def lanes(self) -> int:
        # An image's samples fill the device by themselves.
        return self.settings.n0 + self.settings.n

    @property
    def kind_of_work(self) -> Hashable:
        # A request's own seed, noise and numbers of samples change nothing for one sample.
        return type(self), self.model, self.base, self.bracket

    def run(self, classifiers: Classifiers, images: Tensor) -> Sequence[Bounds]:
        predict = base_predict(classifiers, self.base)
        K = classifiers.latent.architecture.classes
        found = certify_by_smoothing(predict, images, self.settings, classes=K)
        decided = found.predictions != ABSTAIN
        attacks: list[float | None] = [None] * len(images)
        for index in decided.nonzero().squeeze(1).tolist():
            one = slice(index, index + 1)
            attacks[index] = self._attack_one(classifiers, predict, images[one], found.predictions[one])
        answers = zip(
            found.predictions.tolist(), found.radii.tolist(), attacks, found.probabilities.tolist(), strict=True
        )
        return [
            Bounds(None if prediction == ABSTAIN else prediction, radius, None, attack, probability)
            for prediction, radius, attack, probability in answers
        ]

    def _attack_one(
        self, classifiers: Classifiers, predict: Predict, image: Tensor, prediction: Tensor
    ) -> float | None:
        settings = replace(self.settings, n=min(self.settings.n, _CONFIRMATIONS))
        K = classifiers.latent.architecture.classes

        def confirm(candidates: Tensor) -> Tensor:
            labels = predict_by_smoothing(predict, candidates, settings, classes=K)
            # To abstain is not to answer otherwise.
            return labels.where(labels != ABSTAIN, prediction)

        if self.base == "latent":
            recreate = recreate_by_inference(classifiers.latent, _SEARCH)
        else:
            recreate = recreate_by_prototypes(classifiers.bank)
        return self._attack(recreate, image, prediction, confirm)[0]


def base_predict(classifiers: Classifiers, base: Classifier) -> Predict:
    """A classifier as randomised smoothing asks it: images (N, C, H, W) to classes (N,)."""
    return base_classifier(classifiers.latent, None if base == "latent" else classifiers.bank)


def _rows(predictions: Tensor, radii: Tensor, bounds: Tensor, attacks: Sequence[float | None]) -> list[Bounds]:
    rows = zip(predictions.tolist(), radii.tolist(), rows_of(bounds.double()), attacks, strict=True)
    return [Bounds(*row) for row in rows]
