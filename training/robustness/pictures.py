"""The attacked images that `eabs evaluate robustness` keeps beside its report."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file

from training.robustness.report_file import ReportError, RobustnessReport

_CLEAN = "clean"

Images = NDArray[np.float32]
"""(n, C, H, W) in [0, 1]."""


@dataclass(frozen=True)
class Pictures:
    """The first n images of a report: `clean`, and by every attack's name as it left them."""

    clean: Images
    attacked: dict[str, Images]

    def __len__(self) -> int:
        return len(self.clean)


def read_pictures(folder: Path, report: RobustnessReport) -> Pictures | None:
    """The images that lie beside a report in its `folder`; None where it has none.

    Raises:
        ReportError: the file cannot be read, or holds something else; the message names the file and the tensor.
    """
    if report.picture_file is None:
        return None
    path = folder / report.picture_file
    try:
        tensors = load_file(path)
    except (OSError, SafetensorError) as error:
        raise ReportError(f"{path}: expected the attacked images of the report: {error}") from error
    for name in (_CLEAN, *report.attacks):
        if name not in tensors:
            raise ReportError(f"{path}: {name}: expected its images, got none")
        _require_images(path, name, tensors[name], like=tensors[_CLEAN], most=report.images)
    return Pictures(tensors[_CLEAN], {name: tensors[name] for name in report.attacks})


def _require_images(path: Path, name: str, found: Images, *, like: Images, most: int) -> None:
    if found.dtype != np.float32 or found.ndim != 4 or found.shape[1] not in (1, 3) or found.shape != like.shape:
        expected = f"(n, 1 or 3, H, W) float32 as {_CLEAN}"
        raise ReportError(f"{path}: {name}: expected {expected}, got {found.shape} {found.dtype}")
    if not 0 < len(found) <= most:
        raise ReportError(f"{path}: {name}: expected 1 to {most} images, as the report has, got {len(found)}")
    if not (np.isfinite(found).all() and found.min() >= 0 and found.max() <= 1):
        raise ReportError(f"{path}: {name}: expected pixels in [0, 1]")
