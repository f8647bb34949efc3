"""DFG, the Slovenian traffic sign data set (Tabernik & Skočaj 2019): photographs, and boxes in COCO's format."""

import io
import math
import tarfile
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image
from pydantic import BaseModel, FiniteFloat, ValidationError

from training.datasets.dataset import DatasetError, Split
from training.datasets.sign_archives import MIN_SIDE, fitted, open_archive, read_member, split_of_signs
from training.datasets.source_files import SourceFiles

ANNOTATIONS = "DFG-tsd-annot-json.zip"
PHOTOGRAPHS = "JPEGImages.tar.bz2"

_MARGIN, _LEAST_MARGIN = 0.1, 5
"""Around a sign, as GTSRB and BTSC have it: a tenth of its size, and at least five pixels."""


class _Image(BaseModel):
    id: int
    file_name: str


class _Category(BaseModel):
    id: int
    name: str


class _Annotation(BaseModel):
    """A sign: its box is (left, top, width, height) in pixels. `ignore` marks what the owners do not evaluate on."""

    image_id: int
    category_id: int
    bbox: tuple[FiniteFloat, FiniteFloat, FiniteFloat, FiniteFloat]
    ignore: bool = False
    iscrowd: bool = False


class _Coco(BaseModel):
    images: list[_Image]
    categories: list[_Category]
    annotations: list[_Annotation]


@dataclass(frozen=True)
class _Sign:
    """Where a sign goes: the `place`-th of its part, if it is large enough."""

    part: str
    place: int
    label: int
    box: tuple[float, float, float, float]


def read_dfg(files: SourceFiles, label_of: Mapping[str, int]) -> tuple[Split, Split]:
    """The training and the test split: images (N, 3, 32, 32) of some categories' signs, in the annotations' order.

    An image is cut out of its photograph with a margin around the sign, as GTSRB has it, and resized. Cuts of fewer
    than 32 pixels in width or height are left out.

    Args:
        files: the folder with both archives.
        label_of: the label of each category, by its name, that is read.

    Raises:
        DatasetError: an archive is missing or damaged, or lacks a photograph or an annotation.
    """
    wanted: dict[str, list[_Sign]] = {}
    with open_archive(files.path(ANNOTATIONS)) as archive:
        for part in ("train", "test"):
            for name, sign in _signs(archive, part, label_of):
                wanted.setdefault(name, []).append(sign)
    cuts: dict[str, dict[int, tuple[np.ndarray, int]]] = {"train": {}, "test": {}}
    path = files.path(PHOTOGRAPHS)
    for name, photograph in _photographs(path, wanted):
        for sign in wanted[name]:
            image = _cut(photograph, sign.box)
            if image is not None:
                cuts[sign.part][sign.place] = (image, sign.label)
    train, test = (_split(f"{path}: {part}", [found[place] for place in sorted(found)]) for part, found in cuts.items())
    return train, test


def _signs(archive: zipfile.ZipFile, part: str, label_of: Mapping[str, int]) -> Iterator[tuple[str, _Sign]]:
    """The signs of one part, each with its photograph's name."""
    members = [name for name in archive.namelist() if PurePosixPath(name).name == f"{part}.json"]
    if len(members) != 1:
        raise DatasetError(f"{archive.filename}: expected one {part}.json, got {', '.join(members) or 'none'}")
    try:
        coco = _Coco.model_validate_json(read_member(archive, members[0]))
        photographs = {image.id: image.file_name for image in coco.images}
        names = {category.id: category.name for category in coco.categories}
        for place, one in enumerate(coco.annotations):
            label = label_of.get(names[one.category_id])
            if label is not None and not one.ignore and not one.iscrowd:
                yield photographs[one.image_id], _Sign(part, place, label, one.bbox)
    except (ValidationError, KeyError) as error:
        # Of thousands of wrong lines the first ones will do.
        raise DatasetError(
            f"{archive.filename}: {members[0]}: expected images, categories and annotations as COCO has them, "
            f"got {str(error)[:300]}"
        ) from error


def _photographs(path: Path, wanted: Mapping[str, object]) -> Iterator[tuple[str, Image.Image]]:
    """The wanted photographs, in the archive's order: it is too large to be unpacked for them."""
    missing = set(wanted)
    try:
        with tarfile.open(path, "r|bz2") as archive:
            for member in archive:
                name = PurePosixPath(member.name).name
                stream = archive.extractfile(member) if member.isfile() and name in missing else None
                if stream is not None:
                    missing.remove(name)
                    yield name, _decoded(path, name, stream.read())
                if not missing:
                    return
    except (tarfile.TarError, EOFError, OSError) as error:
        raise DatasetError(f"{path}: not a complete tar.bz2 archive: {error}") from error
    if missing:
        raise DatasetError(f"{path}: expected the photograph {min(missing)}, got none")


def _decoded(path: Path, name: str, data: bytes) -> Image.Image:
    try:
        with Image.open(io.BytesIO(data), formats=("JPEG",)) as image:
            return image.convert("RGB")
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise DatasetError(f"{path}: {name}: not a complete JPEG image: {error}") from error


def _cut(photograph: Image.Image, box: tuple[float, float, float, float]) -> np.ndarray | None:
    """The pixels (3, 32, 32) uint8 of the sign in the box; None where it is too small."""
    left, top, width, height = box
    across, down = max(_LEAST_MARGIN, _MARGIN * width), max(_LEAST_MARGIN, _MARGIN * height)
    edges = (
        max(0, math.floor(left - across)),
        max(0, math.floor(top - down)),
        min(photograph.width, math.ceil(left + width + across)),
        min(photograph.height, math.ceil(top + height + down)),
    )
    if min(edges[2] - edges[0], edges[3] - edges[1]) < MIN_SIDE:
        return None
    return fitted(photograph.crop(edges))


def _split(source: str, cuts: list[tuple[np.ndarray, int]]) -> Split:
    labels = [label for _, label in cuts]
    return split_of_signs(source, [image for image, _ in cuts], labels, classes=max(labels, default=0) + 1)
