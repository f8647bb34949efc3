"""BTSC, the Belgian traffic sign classification set (Timofte & Van Gool 2011): two zip archives, or NumPy arrays."""

from training.datasets.btsc_archives import TEST_ZIP, TRAIN_ZIP, read_btsc_archives
from training.datasets.btsc_arrays import FILE, read_btsc_arrays
from training.datasets.dataset import Split
from training.datasets.source_files import SourceFiles

CLASSES = 62


def read_btsc(files: SourceFiles) -> tuple[Split, Split]:
    """The training and the test split: images (N, 3, 32, 32) of signs of at least 32x32 pixels, labels 0..61.

    An image is the whole crop with its margin around the sign, as GTSRB has it. They are read from the official
    archives, or, where these are not both in the folder, from the NumPy archive `btsc.npz`.

    Raises:
        DatasetError: the files are missing or damaged, or lack an image or an array.
    """
    official = files.has(TRAIN_ZIP) and files.has(TEST_ZIP)
    if files.has(FILE) and not official:
        return read_btsc_arrays(files, classes=CLASSES)
    return read_btsc_archives(files, classes=CLASSES)
