import math
from datetime import UTC, datetime, timedelta, timezone

import pytest
from pydantic import ValidationError

from eabs.architecture import PRESETS, Architecture
from model_store.errors import CorruptVersion, InvalidManifest
from model_store.manifest import ArchitectureSpec, Calibration, Manifest, ManifestDraft
from model_store.seal import seal
from tests.model_store.small import ARCHITECTURE, small_draft

SCORES = [[1.0, 2.0, 2.0, 3.0], [1.0, 4.0]]


def calibration(**changes: object) -> Calibration:
    fields = {"temperature": 1.0, "reject_below": 0.4, "effort": "fast", "scores": SCORES}
    return Calibration.model_validate(fields | changes)


def manifest_fields(**changes: object) -> dict[str, object]:
    published = {
        "version": "1",
        "created": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        "libraries": {"torch": "2.6.0"},
        "files": {"weights.safetensors": "sha256:" + "a" * 64},
    }
    return small_draft().model_dump() | published | changes


@pytest.mark.parametrize("architecture", [ARCHITECTURE, *PRESETS.values()])
def test_an_architecture_survives_its_way_through_json(architecture: Architecture) -> None:
    text = ArchitectureSpec.from_architecture(architecture).model_dump_json()

    assert ArchitectureSpec.model_validate_json(text).to_architecture() == architecture


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("classes", 1, "greater than or equal to 2"),
        ("latent", 0, "latent"),
        ("image", (1, 8, 9), "square"),
        ("image", (3, 8, 8), "decoder: expected an output"),
        ("encoder", (), "at least 1 item"),
        ("decoder", (), "at least 1 item"),
        ("encoder", ({"channels": 4, "kernel": 9, "stride": 1, "padding": 0},), "at least one pixel"),
        ("encoder", ({"channels": 4, "kernel": 3, "stride": 0, "padding": 0},), "stride"),
        ("dropout", 1.0, "less than 1"),
        ("dropout", math.nan, "finite"),
    ],
)
def test_an_architecture_that_cannot_be_built_is_refused(field: str, value: object, message: str) -> None:
    fields = ArchitectureSpec.from_architecture(ARCHITECTURE).model_dump()

    with pytest.raises(ValidationError, match=message):
        ArchitectureSpec.model_validate(fields | {field: value})


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("name", "../shapes", "expected a name"),
        ("classes", ("circle", "square"), "expected 3 different labels"),
        ("classes", ("circle", "circle", "star"), "expected 3 different labels"),
        ("preprocessing", {"mode": "RGB", "size": 8}, r"expected images of \(1, 8, 8\), got \(3, 8, 8\)"),
        ("preprocessing", {"mode": "L", "size": 9}, r"expected images of \(1, 8, 8\), got \(1, 9, 9\)"),
        ("preprocessing", {"mode": "CMYK", "size": 8}, "'L' or 'RGB'"),
        ("default_effort", "heroic", "'brief', 'fast', 'standard' or 'thorough'"),
        ("candidates", 0, "candidates"),
        ("beta", -1.0, "beta"),
        ("seed", -1, "seed"),
        ("seed", 2**63, "seed"),
        ("metrics", {"accuracy": math.nan}, "finite"),
        ("schema_version", 2, "schema_version"),
        ("colour", "red", "Extra inputs"),
        ("version", "1", "Extra inputs"),
        ("training_recipe", {"layers": [1, 2]}, "training_recipe"),
        ("preprocessing", {"mode": "L", "size": 8, "value_range": (0, 255)}, "value_range"),
        (
            "calibration",
            {"temperature": 1.0, "reject_below": 0.4, "effort": "fast", "scores": SCORES},
            "expected scores of 3 classes, got 2",
        ),
        (
            "training_data",
            {"dataset": "shapes", "splits": {}, "sources": {"a": "sha256:short"}},
            "training_data.sources",
        ),
    ],
)
def test_a_draft_that_contradicts_itself_is_refused(field: str, value: object, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        small_draft(**{field: value})


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("version", ".publishing", "expected a name"),
        ("created", datetime(2026, 1, 1), "timezone"),
        ("created", datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=2))), "expected a time in UTC"),
        ("files", {}, "expected weights.safetensors"),
        ("files", {"../weights.safetensors": "sha256:" + "a" * 64}, "expected a name"),
        ("files", {"weights.safetensors": "md5:" + "a" * 64}, "should match pattern"),
        ("files", dict.fromkeys(["weights.safetensors", "manifest.json"], "sha256:" + "a" * 64), "not manifest.json"),
    ],
)
def test_a_manifest_that_could_not_have_been_published_is_refused(field: str, value: object, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Manifest.model_validate(manifest_fields(**{field: value}))


def test_a_manifest_survives_its_way_through_bytes() -> None:
    manifest = Manifest.model_validate(manifest_fields())

    again = Manifest.from_bytes(manifest.to_bytes())

    assert again == manifest
    assert again.to_bytes() == manifest.to_bytes()


def test_the_kinds_of_a_recipe_s_values_survive() -> None:
    recipe = {"epochs": 3, "rate": 1.0, "noise": True, "command": "eabs train --epochs 3"}
    manifest = Manifest.model_validate(manifest_fields(training_recipe=recipe))

    again = Manifest.from_bytes(manifest.to_bytes()).training_recipe

    assert {name: type(value) for name, value in again.items()} == {n: type(v) for n, v in recipe.items()}


def test_a_manifest_cannot_be_changed() -> None:
    manifest = Manifest.model_validate(manifest_fields())

    with pytest.raises(ValidationError, match="frozen"):
        manifest.beta = 2.0  # type: ignore[misc]


def test_damaged_bytes_are_corrupt() -> None:
    data = Manifest.model_validate(manifest_fields()).to_bytes()

    with pytest.raises(CorruptVersion, match=r"shapes/1/manifest\.json"):
        Manifest.from_bytes(data.replace(b'"beta": 1.0', b'"beta": 2.0'), file="shapes/1/manifest.json")


def test_a_manifest_without_its_seal_is_corrupt() -> None:
    text = Manifest.model_validate(manifest_fields()).model_dump_json()

    with pytest.raises(CorruptVersion, match="no checksum"):
        Manifest.from_bytes(text.encode())


@pytest.mark.parametrize("fields", [{}, {"name": "shapes"}])
def test_intact_bytes_that_mean_no_manifest_are_invalid(fields: dict[str, object]) -> None:
    with pytest.raises(InvalidManifest, match=r"shapes/1/manifest\.json: (?s:.*)Field required"):
        Manifest.from_bytes(seal(fields), file="shapes/1/manifest.json")


def test_a_manifest_of_a_later_schema_is_invalid() -> None:
    later = Manifest.model_validate(manifest_fields()).model_dump(mode="json") | {"schema_version": 2}

    with pytest.raises(InvalidManifest, match="schema_version"):
        Manifest.from_bytes(seal(later))


def test_a_draft_has_defaults_for_inference(draft: ManifestDraft) -> None:
    fields = draft.model_dump(exclude={"candidates", "default_effort", "beta"})

    again = ManifestDraft.model_validate(fields)

    assert (again.candidates, again.default_effort, again.beta) == (8000, "standard", 1.0)


@pytest.mark.parametrize(
    ("score", "expected"),
    [
        (-math.inf, 1.0),
        (0.5, 1.0),
        (1.0, 1.0),
        (1.5, 4 / 5),
        (2.0, 4 / 5),
        (2.5, 2 / 5),
        (3.0, 2 / 5),
        (9.0, 1 / 5),
        (math.inf, 1 / 5),
    ],
)
def test_typicality_counts_the_scores_that_are_no_better(score: float, expected: float) -> None:
    assert calibration().typicality(0, score) == expected


def test_what_is_less_typical_than_the_threshold_is_out_of_distribution() -> None:
    # The typicality of 3 is 2/5, that of anything above it 1/5.
    known = calibration(reject_below=2 / 5)
    assert not known.is_out_of_distribution(0, 3.0)
    assert known.is_out_of_distribution(0, 3.5)
    assert calibration(reject_below=0.41).is_out_of_distribution(0, 3.0)


def test_a_threshold_of_0_rejects_nothing_however_few_the_scores() -> None:
    assert not calibration(reject_below=0, scores=[[1.0], []]).is_out_of_distribution(0, 1e9)


@pytest.mark.parametrize("threshold", [-0.1, 1.0, math.nan])
def test_a_threshold_that_is_no_share_is_refused(threshold: float) -> None:
    with pytest.raises(ValidationError, match="reject_below"):
        calibration(reject_below=threshold)


@pytest.mark.parametrize(
    ("threshold", "scores", "message"),
    [
        (0.2, [[1.0, 2.0, 2.0, 3.0]], "expected 0, or more than 0.2, .* the 4 scores of class 0 can give, got 0.2"),
        (0.3, SCORES, "expected 0, or more than 0.333, .* the 2 scores of class 1 can give, got 0.3"),
        (0.99, [[1.0], []], "expected 0, or more than 1, .* the 0 scores of class 1 can give"),
    ],
)
def test_a_threshold_that_no_image_of_a_class_could_fall_below_is_refused(
    threshold: float, scores: list[list[float]], message: str
) -> None:
    with pytest.raises(ValidationError, match=message):
        calibration(reject_below=threshold, scores=scores)


@pytest.mark.parametrize("class_index", [-1, 2])
def test_typicality_of_a_class_that_is_not_there_is_refused(class_index: int) -> None:
    with pytest.raises(ValueError, match="class_index: expected 0 to 1"):
        calibration().typicality(class_index, 1.0)


def test_a_score_that_is_no_number_has_no_typicality() -> None:
    with pytest.raises(ValueError, match="NaN"):
        calibration().typicality(0, math.nan)


@pytest.mark.parametrize("temperature", [0.0, -1.0, math.inf, math.nan])
def test_a_temperature_that_makes_no_posterior_is_refused(temperature: float) -> None:
    with pytest.raises(ValidationError, match="temperature"):
        calibration(temperature=temperature)


@pytest.mark.parametrize(
    ("scores", "message"),
    [([[2.0, 1.0]], "ascending"), ([[1.0, math.nan]], "finite"), ([[1.0, math.inf]], "finite")],
)
def test_scores_that_cannot_be_searched_are_refused(scores: list[list[float]], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        calibration(scores=scores)
