from pathlib import Path

import pytest
from PIL import Image

from cli.certificate_figure import Axis, bar_of, draw_certificates
from service.schemas import (
    Certificate,
    ExactInferenceSettings,
    FiniteBankSettings,
    ImageCertification,
    Prediction,
    Preprocessing,
    SmoothingSettings,
)

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "mnist-7-a.png"
AXIS = Axis(left=100, right=500, end=4.0, step=1.0)


def exact_inference(radius: float, attack: float | None, *, reason: str | None = None) -> ImageCertification:
    return certification(
        Certificate(
            kind="exact-inference",
            classifier="exact-inference",
            radius=radius,
            sound=False,
            confidence=None,
            assumption="the latent optimum was found",
            reason=reason,
            attack_upper_bound=attack,
        ),
        ExactInferenceSettings(steps=60, starts=8, tolerance=1e-5, candidates=8000, seed=0),
    )


def finite_bank(radius: float, attack: float | None, *, reason: str | None = None) -> ImageCertification:
    return certification(
        Certificate(
            kind="finite-bank",
            classifier="finite-bank",
            radius=radius,
            sound=True,
            confidence=None,
            assumption=None,
            reason=reason,
            attack_upper_bound=attack,
        ),
        FiniteBankSettings(prototypes=40),
    )


def smoothing(radius: float, attack: float | None, *, reason: str | None = None) -> ImageCertification:
    return certification(
        Certificate(
            kind="smoothing",
            classifier="smoothed finite-bank",
            radius=radius,
            sound=True,
            confidence=0.999,
            assumption=None,
            reason=reason,
            attack_upper_bound=attack,
        ),
        SmoothingSettings(sigma=0.5, n0=100, n=10000, alpha=0.001, seed=1, probability=0.99, estimated_ms=1.0),
        abstains=reason is not None,
    )


def certification(
    certificate: Certificate,
    settings: ExactInferenceSettings | FiniteBankSettings | SmoothingSettings,
    *,
    abstains: bool = False,
) -> ImageCertification:
    seven = Prediction(index=7, label="7")
    return ImageCertification(
        image_id="sha256:0",
        prediction=None if abstains else seven,
        served_classifier="latent" if certificate.kind == "exact-inference" else "finite-bank",
        served_prediction=seven,
        certificate=certificate,
        rivals=[],
        settings=settings,
        preprocessing=Preprocessing(resized_from=None, converted_from=None),
        cached=False,
    )


def drawn(out: Path, *certifications: ImageCertification) -> Image.Image:
    draw_certificates(EXAMPLE.read_bytes(), certifications, out)
    with Image.open(out) as picture:
        return picture.convert("RGB")


def count(picture: Image.Image, colour: str) -> int:
    red, green, blue = (int(colour[place : place + 2], 16) for place in (1, 3, 5))
    colours = picture.getcolors(picture.width * picture.height) or []
    return sum(number for number, value in colours if value == (red, green, blue))


def test_stretches_are_proportional_to_the_distances() -> None:
    bar = bar_of(1.5, 3.0, AXIS)
    assert bar.certified == (100, 250)
    assert bar.unknown == (250, 400)
    assert bar.attacked == (400, 500)


def test_a_radius_of_0_certifies_no_stretch() -> None:
    bar = bar_of(0.0, 1.0, AXIS)
    assert bar.certified == (100, 100)
    assert bar.unknown == (100, 200)


def test_without_an_attack_nothing_beyond_the_radius_is_known() -> None:
    bar = bar_of(1.0, None, AXIS)
    assert bar.unknown == (200, 500)
    assert bar.attacked == (500, 500)


def test_what_an_attack_reached_is_not_drawn_as_certified() -> None:
    bar = bar_of(3.0, 2.0, AXIS)
    assert bar.certified == (100, 300)
    assert bar.unknown == (300, 300)
    assert bar.attacked == (300, 500)


@pytest.mark.parametrize("largest", [0.0, 0.007, 0.58, 2.526, 3.4, 100.0])
def test_an_axis_has_room_beyond_the_largest_value_and_a_few_round_ticks(largest: float) -> None:
    axis = Axis.up_to(largest, left=0, right=700)
    assert axis.column(largest) <= 0.84 * 700
    assert 4 <= len(axis.ticks) <= 9
    assert all(f"{tick:g}" == f"{tick:.3g}" for tick in axis.ticks)


def test_three_certificates_are_three_bars_of_their_own_kinds(tmp_path: Path) -> None:
    out = tmp_path / "three.png"
    picture = drawn(out, exact_inference(1.3, 2.4), finite_bank(0.6, 2.2), smoothing(1.6, 2.5))
    assert picture.width == 1000
    assert 450 < picture.height < 700
    proven, confident, hatch = (count(picture, colour) for colour in ("#0b7a53", "#6cc09f", "#e2f2ea"))
    assert confident > 2 * proven > 0
    assert hatch > 0


def test_fewer_certificates_make_a_lower_picture(tmp_path: Path) -> None:
    two = drawn(tmp_path / "two.png", exact_inference(1.3, 2.4), smoothing(1.6, 2.5))
    three = drawn(tmp_path / "three.png", exact_inference(1.3, 2.4), finite_bank(0.6, 2.2), smoothing(1.6, 2.5))
    assert two.height < three.height


def test_nothing_is_drawn_as_safe_where_nothing_is_certified(tmp_path: Path) -> None:
    near, abstains = "another class is about as near as the predicted one", "the smoothed classifier abstains"
    picture = drawn(tmp_path / "none.png", finite_bank(0.0, None, reason=near), smoothing(0.0, None, reason=abstains))
    assert not any(count(picture, colour) for colour in ("#0b7a53", "#6cc09f", "#e2f2ea"))


def test_no_attack_is_drawn_where_none_was_found(tmp_path: Path) -> None:
    assert count(drawn(tmp_path / "none.png", finite_bank(0.6, None)), "#bf3f1b") == 0
    assert count(drawn(tmp_path / "some.png", finite_bank(0.6, 2.2)), "#bf3f1b") > 0
