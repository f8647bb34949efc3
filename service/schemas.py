"""The JSON answers."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from eabs.settings import Effort, Solver
from model_store import Evaluation, TrainingData
from service.jobs import Classifier, Method

_DIGEST = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
Digest = Annotated[str, Field(description="Of the version's manifest", examples=[_DIGEST])]
ImageId = Annotated[
    str, Field(description="The image's identity: of its pixels as the model sees them", examples=[_DIGEST])
]
Cached = Annotated[bool, Field(description="Whether the answer was computed before")]

_TRAINING_DATA = {
    "dataset": "mnist",
    "splits": {"train": 54000, "validation": 6000},
    "sources": {
        "train-images-idx3-ubyte.gz": "sha256:db8f937d487057fb14a9f0fbe97f0bc8d311ab41b750d41e1ff37c43b9e55e19",
    },
    "licence": "CC BY-SA 3.0",
    "citation": "LeCun, Bottou, Bengio, Haffner: Gradient-based learning, Proc. IEEE 86 (1998)",
}


class ModelIdentity(BaseModel):
    """Which model answered."""

    name: str = Field(description="Its name in the store", examples=["mnist"])
    version: str = Field(description="Never an alias", examples=["1"])
    digest: Digest


class Prediction(BaseModel):
    """A class."""

    index: int = Field(description="From 0", examples=[7])
    label: str = Field(description="Its name", examples=["7"])


class ClassScore(BaseModel):
    """What one class's generator could make of the image, or how near its nearest prototype comes."""

    index: int = Field(description="Of the class", examples=[7])
    label: str = Field(description="Of the class", examples=["7"])
    log_likelihood: float = Field(description="-l_k; higher is better", examples=[-12.4])
    reconstruction_distance: float = Field(
        description="To the class's best reconstruction or nearest prototype: L2 over [0, 1] pixels, not squared",
        examples=[3.1],
    )
    posterior: float = Field(description="softmax of the calibrated log-likelihoods", examples=[0.998])
    upper_bound: bool = Field(
        description="Whether the class was given up because it could no longer win: its l_k and its distance are upper "
        "bounds then, so its log-likelihood could be higher, and its distance smaller",
        examples=[False],
    )


class ExplainedClassScore(ClassScore):
    """The same, with the image that the class made."""

    reconstruction: str = Field(
        description="The class's best reconstruction, or its nearest prototype: a PNG as base64"
    )


class Certificate(BaseModel):
    """Within which distance the prediction cannot change, and on what that rests."""

    kind: Method = Field(description="The method")
    classifier: str = Field(
        description="Whose prediction it speaks of: exact-inference, finite-bank, or smoothed finite-bank or latent",
        examples=["finite-bank"],
    )
    norm: Literal["l2"] = Field("l2", description="Of the distance")
    radius: float = Field(description="L2 distance over [0, 1] pixels of the model's input", examples=[1.93])
    sound: bool = Field(description="Whether the radius holds without an assumption", examples=[True])
    confidence: float | None = Field(description="For randomised certificates, 1 - alpha", examples=[None])
    assumption: str | None = Field(description="What an unsound radius rests on", examples=[None])
    reason: str | None = Field(None, description="Why the radius is 0, where it is", examples=[None])
    attack_upper_bound: float | None = Field(
        None,
        description="With `bracket`: the L2 size of the smallest perturbation found that changes the prediction which "
        "the certificate speaks of; null if none was found or none was looked for",
        examples=[2.21],
    )
    seed: int | None = Field(None, description="For randomised certificates, of the noise", examples=[None])


class Preprocessing(BaseModel):
    """What was done to the image before the model saw it."""

    resized_from: tuple[int, int] | None = Field(description="[H, W] of the original", examples=[[56, 56]])
    converted_from: str | None = Field(description="The original's mode", examples=["RGBA"])


class ImageClassification(BaseModel):
    """The answer about one image."""

    image_id: ImageId
    classifier: Classifier = Field(description="What decided")
    prediction: Prediction | None = Field(
        description="The class of the highest log-likelihood; with `reject`, null of an image out of distribution"
    )
    typicality: float = Field(
        description="How usual the score is for true images of the class: a conformal p-value in (0, 1]",
        examples=[0.43],
    )
    out_of_distribution: bool = Field(
        description="Whether the typicality is below the model's threshold, `reject_below` in GET /models/{name}",
        examples=[False],
    )
    classes: list[ExplainedClassScore | ClassScore] = Field(description="Every class, in the order of the indices")
    certificate: Certificate | None = Field(description="Where one was asked for")
    preprocessing: Preprocessing
    cached: Cached


class RivalBound(BaseModel):
    """How far away the input is, at least, at which this class could win; negative if it may win here."""

    index: int = Field(description="Of the class", examples=[1])
    label: str = Field(description="Of the class", examples=["1"])
    bound: float = Field(description="L2 over [0, 1] pixels", examples=[0.81])


class ExactInferenceSettings(BaseModel):
    """Everything needed to repeat the certificate."""

    kind: Literal["exact-inference"] = "exact-inference"
    solver: Solver = "quasi-newton"
    steps: int = Field(description="Gradients from each start at most", examples=[60])
    starts: int = Field(description="Starting points of each class", examples=[8])
    tolerance: float = Field(
        description="A start is done when a step promises less than this times its score", examples=[1e-5]
    )
    candidates: int = Field(description="Random latents that the starts are chosen from", examples=[8000])
    seed: int = Field(description="Of the candidates", examples=[0])


class FiniteBankSettings(BaseModel):
    """Everything needed to repeat the certificate: it has no settings but the published bank."""

    kind: Literal["finite-bank"] = "finite-bank"
    prototypes: int = Field(description="In the model's bank", examples=[4000])


class SmoothingSettings(BaseModel):
    """Everything needed to repeat the certificate, what it found, and what it was estimated to take."""

    kind: Literal["smoothing"] = "smoothing"
    sigma: float = Field(description="Standard deviation of the noise, in [0, 1] pixels", examples=[0.5])
    n0: int = Field(description="Samples that select the class", examples=[100])
    n: int = Field(description="Samples that estimate its probability", examples=[10000])
    alpha: float = Field(description="Probability that the certificate does not hold", examples=[0.001])
    seed: int = Field(description="Of the noise; drawn anew for each request that names none", examples=[2890341])
    probability: float = Field(
        description="Lower confidence bound of the selected class's probability under the noise", examples=[0.9987]
    )
    estimated_ms: float = Field(description="What the samples were estimated to take, in ms", examples=[310.0])


CertificateSettings = Annotated[
    ExactInferenceSettings | FiniteBankSettings | SmoothingSettings, Field(discriminator="kind")
]


class ImageCertification(BaseModel):
    """The certificate of one image."""

    image_id: ImageId
    prediction: Prediction | None = Field(
        description="Of the classifier that the certificate speaks of; null where a smoothed one abstains"
    )
    served_classifier: Classifier = Field(description="The classifier whose answer is compared")
    served_prediction: Prediction = Field(
        description="Of /classify by that classifier, with the default effort and without `reject`"
    )
    certificate: Certificate
    rivals: list[RivalBound] = Field(
        description="Every other class, the nearest first; empty for smoothing, which does not tell them apart"
    )
    settings: CertificateSettings
    preprocessing: Preprocessing
    cached: Cached


class TimingMs(BaseModel):
    """Where the time went, in ms; queue and inference are those of the image that was answered last."""

    decode: float = Field(description="Reading the body and its images", examples=[0.4])
    queue: float = Field(description="Waiting for inference", examples=[1.1])
    inference: float = Field(description="The batch that the image was in", examples=[21.0])


class _Answer(BaseModel):
    request_id: str = Field(description="As in the header X-Request-Id, and in the log")
    model: ModelIdentity


class ClassifyAnswer(_Answer):
    """The answer of /classify: one result an image, in their order."""

    results: list[ImageClassification]
    timing_ms: TimingMs


class CertifyAnswer(_Answer):
    """The answer of /certify: one result an image, in their order."""

    results: list[ImageCertification]
    timing_ms: TimingMs


class LoadedVersion(BaseModel):
    """A version that this server has in memory."""

    version: str = Field(examples=["1"])
    digest: Digest
    classes: list[str] = Field(description="Their labels, in the order of their indices", examples=[["0", "1", "2"]])
    input_shape: tuple[int, int, int] = Field(description="(C, H, W)", examples=[[1, 28, 28]])
    default_effort: Effort = Field(description="Of a request that names none")
    reject_below: float = Field(
        description="Less typicality counts as out of distribution. Of the classifier latent, with the effort "
        "`calibration_effort`",
        examples=[0.01],
    )
    calibration_effort: Effort = Field(description="With which posterior and typicality of latent inference were set")
    certificates: list[Method] = Field(description="The certificates that it can give")
    prototypes: int | None = Field(description="In its prototype bank, if it has one", examples=[4000])
    prototype_reject_below: float | None = Field(
        description="As `reject_below`, of the classifier finite-bank", examples=[0.01]
    )
    metrics: dict[str, float] = Field(
        description="Measured when the model was published", examples=[{"validation_accuracy_standard": 0.985}]
    )
    prototype_metrics: dict[str, float] | None = Field(
        description="Of its prototype bank, likewise", examples=[{"validation_accuracy": 0.983}]
    )
    training_data: TrainingData = Field(description="What it was trained on", examples=[_TRAINING_DATA])
    training_recipe: dict[str, str | int | float | bool] = Field(
        description="How it was trained", examples=[{"name": "quick", "epochs": 30, "batch": 128}]
    )
    evaluations: list[Evaluation] = Field(
        description="Measured of these weights: accuracy, attacks, certificates", examples=[[]]
    )
    device: str = Field(description="Where it infers", examples=["cpu"])


class ModelSummary(BaseModel):
    """A model of the store."""

    name: str = Field(description="Its name", examples=["mnist"])
    versions: list[str] = Field(description="The published ones", examples=[["1", "2"]])
    aliases: dict[str, str] = Field(description="And the versions that they name", examples=[{"production": "2"}])
    loaded: list[str] = Field(description="Versions that this server answers with", examples=[["2"]])
    default: bool = Field(description="Whether a request without `model` gets this one", examples=[True])


class ModelDetails(ModelSummary):
    """A model of the store, and its loaded versions."""

    details: list[LoadedVersion]


class ModelList(BaseModel):
    """Every model of the store."""

    models: list[ModelSummary]


class Health(BaseModel):
    """The process lives."""

    status: Literal["ok"] = "ok"


class Readiness(BaseModel):
    """The server takes work."""

    status: Literal["ready"] = "ready"
    models: list[ModelIdentity]
