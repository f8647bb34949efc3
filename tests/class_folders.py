"""Folders of real images, a folder a class."""

from pathlib import Path

import numpy as np
from PIL import Image

from tests.conftest import EXAMPLES


def write_class_folders(folder: Path, classes: tuple[str, ...] = ("0", "1", "7"), *, reach: int = 2) -> Path:
    """Two real digits of each class, each shifted by up to `reach` pixels in both directions, as PNG files."""
    shifts = range(-reach, reach + 1)
    for label in classes:
        (folder / label).mkdir(parents=True)
        for source in sorted(EXAMPLES.glob(f"mnist-{label}-?.png")):
            digit = np.asarray(Image.open(source))
            for shift in [(dy, dx) for dy in shifts for dx in shifts]:
                name = f"{source.stem}{shift[0]:+}{shift[1]:+}.png"
                Image.fromarray(np.roll(digit, shift, (0, 1))).save(folder / label / name)
    return folder


def colour(folder: Path) -> None:
    """Makes every second image of a folder a red one on white, 40 pixels high and wide."""
    for path in sorted(folder.rglob("*.png"))[::2]:
        ink = Image.open(path).resize((40, 40))
        Image.composite(Image.new("RGB", ink.size, "red"), Image.new("RGB", ink.size, "white"), ink).save(path)
