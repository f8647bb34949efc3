"""What every test needs: an environment of its own, and real digits."""

import gzip
import os
import struct
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import numpy as np
import pytest
from PIL import Image

# A busy machine fails no example, and none is kept for the next run.
hypothesis.settings.register_profile(
    "tests", deadline=None, database=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("tests")

EXAMPLES = Path(__file__).parents[1] / "docs" / "examples"


def write_idx(path: Path, values: np.ndarray) -> None:
    header = bytes((0, 0, 8, values.ndim)) + struct.pack(f">{values.ndim}I", *values.shape)
    path.write_bytes(gzip.compress(header + values.astype(np.uint8).tobytes()))


@pytest.fixture(scope="session")
def mnist_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty real digits and, for training, each also shifted by up to a pixel: 20 test and 180 training images."""
    folder = tmp_path_factory.mktemp("mnist")
    files = sorted(EXAMPLES.glob("mnist-?-?.png"))
    digits = np.stack([np.asarray(Image.open(file)) for file in files])
    labels = np.array([int(file.name.split("-")[1]) for file in files])
    shifts = [(dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)]
    shifted = np.concatenate([np.roll(digits, shift, axis=(1, 2)) for shift in shifts])
    write_idx(folder / "train-images-idx3-ubyte.gz", shifted)
    write_idx(folder / "train-labels-idx1-ubyte.gz", np.tile(labels, len(shifts)))
    write_idx(folder / "t10k-images-idx3-ubyte.gz", digits)
    write_idx(folder / "t10k-labels-idx1-ubyte.gz", labels)
    return folder


@pytest.fixture(scope="session", autouse=True)
def _own_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test touches the user's own cache or settings."""
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith("EABS_"):
                patch.delenv(name)
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("COLUMNS", "200")  # messages about long paths are not broken into lines
        yield
