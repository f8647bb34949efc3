"""Clean and attacked images one above the other, with what they show and what was answered: as Figures 4 and 5."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from cli.figure import INK, PALE
from cli.sheet import Sheet, text_width
from training.reports.pictures import Images

FOOLED = "#bf3f1b"
_MARGIN, _GAP, _ANSWER, _HEADING, _LABELS, _BELOW = 16, 10, 22, 42, 22, 34
_ENLARGED = 3
_LEGEND = "Framed: the answer is not the label. -: not attacked, since the answer is wrong without an attack."


@dataclass(frozen=True)
class PictureRow:
    """A line of the grid: images (n, C, H, W) in [0, 1] and the answer to each.

    `answers` holds None for an image that was not attacked, and is None where nobody was asked.
    """

    title: str
    detail: str
    images: Images
    answers: Sequence[str | None] | None


def draw_attacked(title: str, labels: Sequence[str], rows: Sequence[PictureRow], out: Path) -> None:
    """Draws the rows one below the other, the labels above them, and every answer below its image.

    Args:
        title: a line above all.
        labels: what the n images show.
        rows: at least one, all of n images of the same size.
        out: the PNG that is written.
    """
    side = _ENLARGED * rows[0].images.shape[-1]
    names = max(max(text_width(row.title, 14), text_width(row.detail, 12)) for row in rows)
    left = round(_MARGIN + names + 20)
    pitch = side + _GAP
    right = max(left + len(labels) * pitch - _GAP, _MARGIN + max(text_width(title, 17), text_width(_LEGEND, 12)))
    bottom = _HEADING + _LABELS + len(rows) * (side + _ANSWER + _GAP)
    sheet = Sheet(right + _MARGIN, bottom + _BELOW)
    sheet.text((_MARGIN, 12), title, INK, 17)
    sheet.text((_MARGIN, _HEADING), "label", PALE, 13)
    for column, label in enumerate(labels):
        sheet.text((left + column * pitch + side / 2, _HEADING), _fitting(label, side), INK, 13, "ma")
    for place, row in enumerate(rows):
        top = _HEADING + _LABELS + place * (side + _ANSWER + _GAP)
        sheet.text((_MARGIN, top + side / 2 - 2), row.title, INK, 14, "ls")
        sheet.text((_MARGIN, top + side / 2 + 4), row.detail, PALE, 12, "la")
        for column, pixels in enumerate(row.images):
            sheet.picture((left + column * pitch, top), as_picture(pixels), side)
        for column, (label, answer) in enumerate(zip(labels, row.answers or (), strict=False)):
            x = left + column * pitch
            fooled = answer not in (None, label)
            if fooled:
                sheet.frame((x, top), side, FOOLED, 3)
            words = "-" if answer is None else _fitting(answer, side)
            sheet.text((x + side / 2, top + side + 5), words, FOOLED if fooled else PALE, 13, "ma")
    sheet.text((_MARGIN, bottom), _LEGEND, PALE, 12)
    sheet.save(out)


def as_picture(pixels: Images) -> Image.Image:
    """An image (C, H, W) of [0, 1] pixels, grey or in colour."""
    levels = np.round(255 * pixels).astype(np.uint8)
    return Image.fromarray(levels[0]) if len(levels) == 1 else Image.fromarray(np.moveaxis(levels, 0, 2))


def _fitting(words: str, room: float) -> str:
    """The words, cut short where they are wider than the room."""
    if text_width(words, 13) <= room:
        return words
    kept = next((end for end in range(len(words) - 1, 0, -1) if text_width(f"{words[:end]}.", 13) <= room), 1)
    return f"{words[:kept].rstrip()}."
