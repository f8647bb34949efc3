"""What the server answers, as docs/api.md has it: frozen, and blind to fields that a newer server may add."""

from typing import Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, JsonValue

Classifier = Literal["latent", "finite-bank"]
Effort = Literal["brief", "fast", "standard", "thorough"]
Method = Literal["exact-inference", "finite-bank", "smoothing"]
Solver = Literal["quasi-newton", "adam"]

Result = TypeVar("Result")


class Answer(BaseModel):
    """Anything that the server answers."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class ModelIdentity(Answer):
    """Which model answered; `digest` is `sha256:<hex>` of what was published."""

    name: str
    version: str
    digest: str


class Prediction(Answer):
    """A class."""

    index: int
    label: str


class ClassScore(Answer):
    """What one class could make of the image.

    log_likelihood: -l_k, higher is better; where `upper_bound`, the class was given up, and it could be higher.
    reconstruction_distance: L2 over [0, 1] pixels to the class's best re-creation or nearest prototype.
    posterior: in [0, 1], calibrated.
    reconstruction: with `explain`, that re-creation or prototype: a PNG as base64.
    """

    index: int
    label: str
    log_likelihood: float
    reconstruction_distance: float
    posterior: float
    upper_bound: bool
    reconstruction: str | None = None


class Certificate(Answer):
    """Within which L2 distance over [0, 1] pixels the prediction cannot change, and on what that rests."""

    kind: Method
    classifier: str
    norm: Literal["l2"]
    radius: float
    sound: bool
    confidence: float | None
    assumption: str | None
    reason: str | None
    attack_upper_bound: float | None
    seed: int | None


class Preprocessing(Answer):
    """What was done to the image before the model saw it; `resized_from` is (H, W)."""

    resized_from: tuple[int, int] | None
    converted_from: str | None


class ImageClassification(Answer):
    """The answer about one image; `prediction` is None where it was rejected."""

    image_id: str
    classifier: Classifier
    prediction: Prediction | None
    typicality: float
    out_of_distribution: bool
    classes: tuple[ClassScore, ...]
    certificate: Certificate | None
    preprocessing: Preprocessing
    cached: bool


class RivalBound(Answer):
    """How far away the input is, at least, at which this class could win."""

    index: int
    label: str
    bound: float


class ImageCertification(Answer):
    """The certificate of one image; `settings` repeat it, and `prediction` is None where a smoothed classifier
    abstains."""

    image_id: str
    prediction: Prediction | None
    served_classifier: Classifier
    served_prediction: Prediction
    certificate: Certificate
    rivals: tuple[RivalBound, ...]
    settings: dict[str, JsonValue]
    preprocessing: Preprocessing
    cached: bool


class TimingMs(Answer):
    """Where the server's time went, in ms."""

    decode: float
    queue: float
    inference: float

    def __add__(self, other: "TimingMs") -> "TimingMs":
        return TimingMs(
            decode=self.decode + other.decode,
            queue=self.queue + other.queue,
            inference=self.inference + other.inference,
        )


class ImagesAnswer(Answer, Generic[Result]):
    """One result an image, in their order."""

    request_id: str
    model: ModelIdentity
    results: tuple[Result, ...]
    timing_ms: TimingMs


class ClassifyAnswer(ImagesAnswer[ImageClassification]):
    """The answer of /classify; of images that took several requests, `timing_ms` is of all together."""


class CertifyAnswer(ImagesAnswer[ImageCertification]):
    """The answer of /certify, likewise."""


class TrainingData(Answer):
    """What a model was trained on: images per split, and the hash of every source file."""

    dataset: str
    splits: dict[str, int]
    sources: dict[str, str]
    licence: str | None
    citation: str | None


class LoadedVersion(Answer):
    """A version that the server has in memory; `input_shape` is (C, H, W). `evaluations` are as they were published."""

    version: str
    digest: str
    classes: tuple[str, ...]
    input_shape: tuple[int, int, int]
    default_effort: Effort
    reject_below: float
    calibration_effort: Effort
    certificates: tuple[Method, ...]
    prototypes: int | None
    prototype_reject_below: float | None
    metrics: dict[str, float]
    prototype_metrics: dict[str, float] | None
    training_data: TrainingData
    training_recipe: dict[str, str | int | float | bool]
    evaluations: tuple[dict[str, JsonValue], ...]
    device: str


class ModelSummary(Answer):
    """A model of the store: `loaded` are the versions that the server answers with, `default` whether a request that
    names no model gets this one."""

    name: str
    versions: tuple[str, ...]
    aliases: dict[str, str]
    loaded: tuple[str, ...]
    default: bool


class ModelDetails(ModelSummary):
    """A model of the store, and its loaded versions."""

    details: tuple[LoadedVersion, ...]


class ModelList(Answer):
    """Every model of the store."""

    models: tuple[ModelSummary, ...]


class Health(Answer):
    """The process lives."""

    status: Literal["ok"]


class Readiness(Answer):
    """The server takes work."""

    status: Literal["ready"]
    models: tuple[ModelIdentity, ...]
