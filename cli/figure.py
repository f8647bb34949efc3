"""A picture of one answer: the input, and what each class's generator made of it."""

import base64
import io
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from service.schemas import ExplainedClassScore, ImageClassification

_TILE, _GAP, _CAPTION, _COLUMNS = 112, 18, 44, 5
INK, PALE, ACCENT, PAPER = "#1d2433", "#5b6472", "#0b7a53", "#ffffff"


def draw_figure(encoded: bytes, result: ImageClassification, out: Path) -> None:
    """Draws the input beside every class's reconstruction and its distance, or a bound of it; the prediction is framed.

    Args:
        encoded: the image as it was classified.
        result: its answer, explained; where it was rejected no class is framed.
        out: the PNG that is written.
    """
    classes = [score for score in result.classes if isinstance(score, ExplainedClassScore)]
    rows = -(-len(classes) // _COLUMNS)
    pitch_x, pitch_y = _TILE + _GAP, _TILE + _CAPTION + _GAP
    left = 2 * _TILE + 3 * _GAP
    height = _GAP + rows * pitch_y
    canvas = Image.new("RGB", (left + _COLUMNS * pitch_x, height), PAPER)
    draw = ImageDraw.Draw(canvas)

    top = (height - 2 * _TILE - _CAPTION) // 2
    canvas.paste(enlarged(encoded, 2 * _TILE), (_GAP, top))
    predicted = result.prediction
    answer = "rejected" if predicted is None else predicted.label
    caption(draw, (_GAP, top + 2 * _TILE), f"input: {answer}", f"typicality {result.typicality:.2f}")

    for place, score in enumerate(classes):
        row, column = divmod(place, _COLUMNS)
        corner = (left + column * pitch_x, _GAP + row * pitch_y)
        canvas.paste(enlarged(base64.b64decode(score.reconstruction), _TILE), corner)
        if predicted is not None and score.index == predicted.index:
            x, y = corner
            draw.rectangle((x - 4, y - 4, x + _TILE + 3, y + _TILE + 3), outline=ACCENT, width=4)
        below = (corner[0], corner[1] + _TILE)
        relation = "at most" if score.upper_bound else "distance"
        caption(draw, below, f"class {score.label}", f"{relation} {score.reconstruction_distance:.2f}")
    canvas.save(out, format="PNG", optimize=True)


def enlarged(encoded: bytes, side: int) -> Image.Image:
    """An encoded image as a square of `side` pixels, its own pixels still to be seen."""
    with Image.open(io.BytesIO(encoded)) as image:
        return image.convert("RGB").resize((side, side), Image.Resampling.NEAREST)


def caption(draw: ImageDraw.ImageDraw, corner: tuple[int, int], title: str, detail: str) -> None:
    """Two lines below a picture whose lower left corner is `corner`."""
    x, y = corner
    draw.text((x, y + 6), title, fill=INK, font=ImageFont.load_default(15))
    draw.text((x, y + 24), detail, fill=PALE, font=ImageFont.load_default(13))
