"""The manifest: everything about a published model but its weights.

A publisher writes a `ManifestDraft`; publishing completes it to a `Manifest`. Both are frozen, know no other
fields, and hold no NaN or infinity.
"""

import math
from bisect import bisect_left
from typing import Literal

from pydantic import Field, ValidationError, model_validator

from eabs.architecture import Architecture, ConvLayer
from eabs.candidates import DEFAULT_CANDIDATES
from eabs.settings import Effort
from model_store.errors import InvalidManifest
from model_store.evaluations import Evaluation
from model_store.fields import Frozen, Name, Positive, Sha256, UtcTime
from model_store.seal import seal, unseal

MANIFEST_FILE = "manifest.json"
WEIGHTS_FILE = "weights.safetensors"
PROTOTYPES_FILE = "prototypes.safetensors"

_CHANNELS = {"L": 1, "RGB": 3}


class LayerSpec(Frozen):
    """`eabs.architecture.ConvLayer` as JSON; kernel, stride and padding in pixels."""

    channels: Positive
    kernel: Positive
    stride: Positive
    padding: int = Field(ge=0)


class ArchitectureSpec(Frozen):
    """`eabs.architecture.Architecture` as JSON, refused where no networks could be built from it."""

    image: tuple[Positive, Positive, Positive]
    classes: int = Field(ge=2)
    latent: Positive
    encoder: tuple[LayerSpec, ...] = Field(min_length=1)
    decoder_linear: Positive
    decoder: tuple[LayerSpec, ...] = Field(min_length=1)
    discriminator: tuple[Positive, ...]
    dropout: float = Field(ge=0, lt=1)

    @classmethod
    def from_architecture(cls, architecture: Architecture) -> "ArchitectureSpec":
        """The same architecture as it stands in a manifest."""
        fields = {name: getattr(architecture, name) for name in cls.model_fields}
        for name in ("encoder", "decoder"):
            fields[name] = tuple(vars(layer) for layer in fields[name])
        return cls.model_validate(fields)

    def to_architecture(self) -> Architecture:
        """The same architecture as the networks are built from."""
        fields = {name: getattr(self, name) for name in type(self).model_fields}
        for name in ("encoder", "decoder"):
            fields[name] = tuple(ConvLayer(**layer.model_dump()) for layer in fields[name])
        return Architecture(**fields)

    @model_validator(mode="after")
    def _can_be_built(self) -> "ArchitectureSpec":
        architecture = self.to_architecture()
        for part, sizes in (("encoder", architecture.encoded_sizes), ("decoder", architecture.decoded_sizes)):
            if min(sizes) < 1:
                raise ValueError(f"{part}: expected feature maps of at least one pixel, got sides of {sizes}")
        return self


class Preprocessing(Frozen):
    """What an image becomes before the model sees it: `mode` (L: 1 channel, RGB: 3), a square of side `size`
    pixels, values in `value_range`.
    """

    mode: Literal["L", "RGB"]
    size: Positive
    value_range: tuple[Literal[0], Literal[1]] = (0, 1)


class TrainingData(Frozen):
    """What a model was trained on: images per split, and `sha256:<hex>` of every source file by its name.

    `licence` is under what terms the data may be used, and `citation` what its owners ask to be cited; None where
    nobody said.
    """

    dataset: str
    splits: dict[str, int]
    sources: dict[str, Sha256]
    licence: str | None = None
    citation: str | None = None


class ScoreCalibration(Frozen):
    """What a classifier's scores l_k mean, measured on the validation split.

    posterior = softmax(-l / `temperature`), `temperature` > 0. `scores`: for each of the K classes, ascending,
    the scores l_y of the validation images of that class. An image of typicality below `reject_below` counts as out
    of distribution; of images like the validation images, at most that share does. At 0 no image does.
    """

    temperature: float = Field(gt=0)
    reject_below: float = Field(ge=0, lt=1)
    scores: list[list[float]]

    def typicality(self, class_index: int, score: float) -> float:
        """How usual a score is for true images of a class: the conformal p-value, in (0, 1].

        (1 + #{calibration scores >= score}) / (n + 1). For images drawn as the calibration's were,
        P(typicality <= p) <= p. Source: Vovk, Gammerman & Shafer, Algorithmic Learning in a Random World (2005).

        Raises:
            ValueError: no class has this index, or the score is NaN.
        """
        if not 0 <= class_index < len(self.scores):
            raise ValueError(f"class_index: expected 0 to {len(self.scores) - 1}, got {class_index}")
        if math.isnan(score):
            raise ValueError("score: expected a number, got NaN")
        known = self.scores[class_index]
        return (1 + len(known) - bisect_left(known, score)) / (len(known) + 1)

    def is_out_of_distribution(self, class_index: int, score: float) -> bool:
        """Whether a score is too unusual for true images of a class. Raises as `typicality` does."""
        return self.typicality(class_index, score) < self.reject_below

    @model_validator(mode="after")
    def _is_ascending(self) -> "ScoreCalibration":
        for index, scores in enumerate(self.scores):
            if scores != sorted(scores):
                raise ValueError(f"scores: expected ascending lists, got another order for class {index}")
        return self

    @model_validator(mode="after")
    def _can_reject(self) -> "ScoreCalibration":
        for index, scores in enumerate(self.scores):
            least = 1 / (len(scores) + 1)
            if 0 < self.reject_below <= least:
                raise ValueError(
                    f"reject_below: expected 0, or more than {least:.3g}, the least typicality that the "
                    f"{len(scores)} scores of class {index} can give, got {self.reject_below:g}"
                )
        return self


class Calibration(ScoreCalibration):
    """What the scores of latent inference mean, measured with one effort."""

    effort: Effort


class Prototypes(Frozen):
    """A published prototype bank: how many `images` it holds, what made it, how it measures, what its scores mean."""

    images: Positive
    recipe: dict[str, str | int | float | bool]
    metrics: dict[str, float]
    calibration: ScoreCalibration


class ManifestDraft(Frozen):
    """What the publisher of a model knows about it.

    `classes` are the K labels; `beta` weighs -log D in the scores; `seed` draws the candidates and the noise of
    inference, `candidates` says how many; `default_effort` is what a request gets that asks for none; `prototypes`
    describes the prototype bank of a model that has one; `evaluations` are of the very weights, and prototypes, that
    are published.
    """

    schema_version: Literal[1] = 1
    name: Name
    architecture: ArchitectureSpec
    classes: tuple[str, ...]
    preprocessing: Preprocessing
    default_effort: Effort = "standard"
    candidates: Positive = DEFAULT_CANDIDATES
    beta: float = Field(default=1.0, ge=0)
    # torch seeds its generators with 64 bits.
    seed: int = Field(ge=0, lt=2**63)
    training_data: TrainingData
    training_recipe: dict[str, str | int | float | bool]
    metrics: dict[str, float]
    calibration: Calibration
    prototypes: Prototypes | None = None
    evaluations: tuple[Evaluation, ...] = ()

    @model_validator(mode="after")
    def _fits_together(self) -> "ManifestDraft":
        K, image = self.architecture.classes, self.architecture.image
        if len(self.classes) != K or len(set(self.classes)) != K:
            raise ValueError(f"classes: expected {K} different labels, got {list(self.classes)}")
        for calibration in [self.calibration, *([] if self.prototypes is None else [self.prototypes.calibration])]:
            if len(calibration.scores) != K:
                raise ValueError(f"calibration: expected scores of {K} classes, got {len(calibration.scores)}")
        shape = (_CHANNELS[self.preprocessing.mode], self.preprocessing.size, self.preprocessing.size)
        if shape != image:
            raise ValueError(f"preprocessing: expected images of {image}, got {shape}")
        return self


class Manifest(ManifestDraft):
    """A published version's description: its draft, and what publishing added.

    `libraries` are the versions that published it; `files` holds `sha256:<hex>` of every other file of the
    version by its name.
    """

    version: Name
    created: UtcTime
    libraries: dict[str, str]
    files: dict[Name, Sha256]

    @classmethod
    def from_bytes(cls, data: bytes, *, file: str = MANIFEST_FILE) -> "Manifest":
        """The manifest that was sealed; `file` names the bytes in errors.

        Raises:
            CorruptVersion: the bytes are not what was written.
            InvalidManifest: they are, but mean no manifest of this schema.
        """
        try:
            return cls.model_validate_json(unseal(data, file=file))
        except ValidationError as error:
            raise InvalidManifest(f"{file}: {error}") from error

    def to_bytes(self) -> bytes:
        """The sealed JSON file of this manifest."""
        return seal(self.model_dump(mode="json"))

    @model_validator(mode="after")
    def _lists_its_files(self) -> "Manifest":
        expected = {WEIGHTS_FILE, *([] if self.prototypes is None else [PROTOTYPES_FILE])}
        if not expected <= self.files.keys() or MANIFEST_FILE in self.files:
            raise ValueError(
                f"files: expected {', '.join(sorted(expected))} and not {MANIFEST_FILE}, got {sorted(self.files)}"
            )
        return self
