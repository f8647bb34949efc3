"""A picture of one image's certificates: how far out its answer is safe, not known, and changed by an attack."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from functools import cache
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from cli.figure import ACCENT, INK, PALE, PAPER, caption, enlarged
from service.schemas import Certificate, ImageCertification, SmoothingSettings

_WIDTH, _MARGIN, _INPUT, _LEGEND = 1000, 24, 224, 22
_LEFT, _RIGHT = _MARGIN + _INPUT + 36, _WIDTH - _MARGIN
_TITLE, _TO_BAR, _BAR, _TO_TEXT, _LINE, _TO_ROW, _AXIS, _CAPTION = 40, 25, 30, 7, 19, 22, 62, 44
_LARGE, _MEDIUM, _SMALL = 18, 15, 13
_CONFIDENT, _SUPPOSED, _UNKNOWN, _ATTACKED, _TICK = "#6cc09f", "#e2f2ea", "#e1e5ea", "#bf3f1b", "#b9c0c9"
_SPEAKS_OF = {
    "exact-inference": "latent inference, carried to its optimum",
    "finite-bank": "the nearest prototype",
    "smoothed finite-bank": "the nearest prototype, under noise",
    "smoothed latent": "latent inference, under noise",
}

Stretch = tuple[int, int]
"""The columns [start, end) of the picture; empty where both are the same."""


@dataclass(frozen=True)
class Axis:
    """Distances from 0 to `end`, in steps of `step`, drawn between the columns `left` and `right`."""

    left: int
    right: int
    end: float
    step: float

    @classmethod
    def up_to(cls, largest: float, *, left: int, right: int) -> "Axis":
        """An axis with at least a sixth of itself beyond the largest value, and three to eight round steps."""
        wanted = 1.2 * largest if largest > 0 else 1.0
        rough = Decimal(str(wanted / 8))
        magnitude = Decimal(10) ** rough.adjusted()
        step = next(round_ * magnitude for round_ in (1, 2, 5, 10) if round_ * magnitude >= rough)
        return cls(left, right, end=wanted, step=float(step))

    @property
    def ticks(self) -> list[float]:
        """0 and the steps up to the end."""
        return [count * self.step for count in range(int(self.end / self.step) + 1)]

    def column(self, distance: float) -> int:
        """Where a distance is drawn; one beyond the end at the end."""
        return self.left + round((self.right - self.left) * min(1.0, distance / self.end))


@dataclass(frozen=True)
class Bar:
    """What is known at which distance: the answer does not change, is not known, was changed by an attack."""

    certified: Stretch
    unknown: Stretch
    attacked: Stretch


def bar_of(radius: float, attack_upper_bound: float | None, axis: Axis) -> Bar:
    """The stretches of one certificate. What an attack reached is never drawn as certified, whatever the radius says.

    Args:
        radius: L2 distance over [0, 1] pixels.
        attack_upper_bound: the size of the smallest change found, likewise; None where none was.
        axis: what both are drawn on.
    """
    attack = axis.right if attack_upper_bound is None else axis.column(attack_upper_bound)
    safe = min(axis.column(radius), attack)
    return Bar((axis.left, safe), (safe, attack), (attack, axis.right))


def draw_certificates(encoded: bytes, certifications: Sequence[ImageCertification], out: Path) -> None:
    """Draws the input with its answer, and beside it a bar for each of its certificates, on one axis of distances.

    Args:
        encoded: the image as it was certified.
        certifications: its certificates, each by another method and with an attack's upper bound.
        out: the PNG that is written.
    """
    certificates = [found.certificate for found in certifications]
    reached = [value for one in certificates for value in (one.radius, one.attack_upper_bound) if value is not None]
    axis = Axis.up_to(max(reached), left=_LEFT, right=_RIGHT)
    texts = [_lines(_conclusion(one), _SMALL, _RIGHT - _LEFT) for one in certificates]
    heights = [_TO_BAR + _BAR + _TO_TEXT + len(lines) * _LINE + _TO_ROW for lines in texts]
    legend = list(_legend(certificates))
    axis_top = _MARGIN + _TITLE + sum(heights)
    legend_top = axis_top + _AXIS
    height = max(legend_top + len(legend) * _LEGEND, _MARGIN + _TITLE + _INPUT + _CAPTION) + _MARGIN

    canvas = Image.new("RGB", (_WIDTH, height), PAPER)
    draw = ImageDraw.Draw(canvas)
    _write(draw, (_LEFT, _MARGIN), "How far can this image be changed before the answer may change?", _LARGE, INK)
    canvas.paste(enlarged(encoded, _INPUT), (_MARGIN, _MARGIN + _TITLE))
    caption(draw, (_MARGIN, _MARGIN + _TITLE + _INPUT), *_answer(certifications))

    top = _MARGIN + _TITLE
    for found, lines, row in zip(certifications, texts, heights, strict=True):
        _draw_heading(draw, top, found)
        _draw_ticks(draw, axis, top + _TO_BAR - 4, top + _TO_BAR + _BAR + 4)
        _draw_bar(canvas, draw, top + _TO_BAR, found, axis)
        for place, line in enumerate(lines):
            below = top + _TO_BAR + _BAR + _TO_TEXT + place * _LINE
            _write(draw, (_LEFT, below), line, _SMALL, PALE)
        top += row
    _draw_axis(draw, axis, axis_top)
    for place, (sample, meaning) in enumerate(legend):
        y = legend_top + place * _LEGEND
        canvas.paste(sample, (_LEFT, y))
        _write(draw, (_LEFT + sample.width + 9, y), meaning, _SMALL, INK)
    canvas.save(out, format="PNG", optimize=True)


def _answer(certifications: Sequence[ImageCertification]) -> tuple[str, str]:
    """The served answer, and of which classifiers."""
    served = {found.served_classifier: _short(found.served_prediction.label) for found in certifications}
    if len(set(served.values())) == 1:
        return f"input: {next(iter(served.values()))}", f"answer by {' and '.join(served)}"
    return "input", ", ".join(f"{classifier}: {label}" for classifier, label in served.items())


def _conclusion(certificate: Certificate) -> str:
    attack = certificate.attack_upper_bound
    standing = f"{_at_least(certificate.radius)}: {_standing(certificate)}."
    if attack is not None and attack < certificate.radius:
        return f"Radius {standing} But an attack changed the answer at {_at_most(attack)}."
    safe = f"No change below {standing}" if certificate.radius > 0 else f"Nothing certified: {certificate.reason}."
    return safe if attack is None else f"{safe} Changed by an attack at {_at_most(attack)}."


def _standing(certificate: Certificate) -> str:
    """What the radius rests on."""
    if not certificate.sound:
        return f"not proven, holds if {certificate.assumption}"
    return "proven" if certificate.confidence is None else f"with confidence {certificate.confidence:g}"


def _legend(certificates: Sequence[Certificate]) -> Iterator[tuple[Image.Image, str]]:
    size = (34, 16)
    for standing, certificate in {_standing(one): one for one in certificates if one.radius > 0}.items():
        yield _safe(size, certificate), f"no change of the answer: {standing}"
    yield Image.new("RGB", size, _UNKNOWN), "not known: neither certified nor reached by an attack"
    if any(one.attack_upper_bound is not None for one in certificates):
        yield Image.new("RGB", size, _ATTACKED), "an attack of this size or less changed the answer"


def _draw_heading(draw: ImageDraw.ImageDraw, top: int, found: ImageCertification) -> None:
    certificate, settings = found.certificate, found.settings
    _write(draw, (_LEFT, top), certificate.kind, _MEDIUM, INK)
    detail = _SPEAKS_OF.get(certificate.classifier, certificate.classifier)
    if isinstance(settings, SmoothingSettings):
        detail += f" of std {settings.sigma:g}"
    _write(draw, (_LEFT + round(_font(_MEDIUM).getlength(certificate.kind)) + 12, top + 2), detail, _SMALL, PALE)
    answer = "abstains" if found.prediction is None else f"answer: {_short(found.prediction.label)}"
    _write(draw, (_RIGHT, top + 2), answer, _SMALL, INK, anchor="ra")


def _draw_bar(canvas: Image.Image, draw: ImageDraw.ImageDraw, top: int, found: ImageCertification, axis: Axis) -> None:
    certificate, attack = found.certificate, found.certificate.attack_upper_bound
    bar = bar_of(certificate.radius, attack, axis)
    for (start, end), colour in ((bar.unknown, _UNKNOWN), (bar.attacked, _ATTACKED)):
        if end > start:
            draw.rectangle((start, top, end - 1, top + _BAR - 1), fill=colour)
    start, end = bar.certified
    if end > start:
        canvas.paste(_safe((end - start, _BAR), certificate), (start, top))
    middle = top + _BAR // 2
    if attack is None or certificate.radius <= attack:
        _draw_radius(draw, bar, middle, certificate)
    if attack is not None:
        _write(draw, (bar.attacked[0] + 8, middle), _at_most(attack), _MEDIUM, PAPER, anchor="lm")
    elif found.prediction is not None:
        _write(draw, (bar.unknown[1] - 8, middle), "no attack found", _SMALL, PALE, anchor="rm")


def _draw_radius(draw: ImageDraw.ImageDraw, bar: Bar, middle: int, certificate: Certificate) -> None:
    """The radius, in the stretch that it ends, or else behind it; nowhere if there is no room for it."""
    number = _at_least(certificate.radius) if certificate.radius > 0 else "radius 0"
    room = round(_font(_MEDIUM).getlength(number)) + 16
    start, end = bar.certified
    if end - start >= room:
        if not certificate.sound:
            draw.rounded_rectangle((end - room + 2, middle - 11, end - 3, middle + 10), radius=4, fill=_SUPPOSED)
        proven = certificate.sound and certificate.confidence is None
        _write(draw, (end - 8, middle), number, _MEDIUM, PAPER if proven else INK, anchor="rm")
    elif bar.unknown[1] - bar.unknown[0] >= room:
        _write(draw, (bar.unknown[0] + 8, middle), number, _MEDIUM, INK, anchor="lm")


def _draw_ticks(draw: ImageDraw.ImageDraw, axis: Axis, top: int, bottom: int) -> None:
    for tick in axis.ticks:
        draw.line((axis.column(tick), top, axis.column(tick), bottom), fill=_TICK)


def _draw_axis(draw: ImageDraw.ImageDraw, axis: Axis, top: int) -> None:
    draw.line((axis.left, top, axis.right, top), fill=INK)
    for tick in axis.ticks:
        x = axis.column(tick)
        draw.line((x, top, x, top + 5), fill=INK)
        _write(draw, (x, top + 8), f"{tick:g}", _SMALL, INK, anchor="ma")
    middle = (axis.left + axis.right) // 2
    _write(draw, (middle, top + 28), "L2 distance over [0, 1] pixels", _SMALL, INK, anchor="ma")


def _safe(size: tuple[int, int], certificate: Certificate) -> Image.Image:
    """A stretch without change: full where it is proven, paler where it is probable, hatched where it is supposed."""
    if certificate.sound:
        return Image.new("RGB", size, ACCENT if certificate.confidence is None else _CONFIDENT)
    finer = 4
    width, height = (finer * length for length in size)
    hatch = Image.new("RGB", (width, height), _SUPPOSED)
    draw = ImageDraw.Draw(hatch)
    for x in range(0, width + height, 9 * finer):
        draw.line((x, 0, x - height, height), fill=ACCENT, width=2 * finer)
    return hatch.resize(size, Image.Resampling.BOX)


def _at_least(value: float) -> str:
    """Rounded down, so that no more is said to be certified than is."""
    return str(Decimal(str(value)).quantize(Decimal("0.001"), ROUND_FLOOR))


def _at_most(value: float) -> str:
    """Rounded up, so that no attack is said to be smaller than it is."""
    return str(Decimal(str(value)).quantize(Decimal("0.001"), ROUND_CEILING))


def _short(label: str, *, most: int = 24) -> str:
    return label if len(label) <= most else f"{label[: most - 3]}..."


def _lines(text: str, size: int, width: int) -> list[str]:
    """The text in lines of at most `width` pixels; a longer word has a line of its own."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and _font(size).getlength(longer) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def _write(
    draw: ImageDraw.ImageDraw, place: tuple[int, int], text: str, size: int, colour: str, *, anchor: str = "la"
) -> None:
    draw.text(place, text, fill=colour, font=_font(size), anchor=anchor)


@cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
