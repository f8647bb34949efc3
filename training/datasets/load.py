"""One way to read every data set."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from training.datasets.dataset import Dataset, DatasetError, Split
from training.datasets.folder import FOLDER, FolderOptions, read_folder
from training.datasets.gtsrb import read_gtsrb
from training.datasets.idx import read_idx
from training.datasets.labels import CLASS_LABELS
from training.datasets.official_files import official_files
from training.datasets.prepared_file import read_prepared
from training.datasets.source_files import SourceFiles
from training.datasets.supertraffic10 import read_supertraffic10
from training.datasets.svhn import read_svhn

_READERS: dict[str, Callable[[SourceFiles], tuple[Split, Split]]] = {
    "mnist": partial(read_idx, classes=10),
    "fashion_mnist": partial(read_idx, classes=10),
    "svhn": read_svhn,
    "gtsrb": read_gtsrb,
    "supertraffic10": read_supertraffic10,
}


def load_dataset(name: str, place: Path, options: FolderOptions | None = None) -> Dataset:
    """Reads a data set from its official files, from the one file that `eabs data prepare` made of them, or from a
    folder of class folders.

    Args:
        name: one of `CLASS_LABELS`, or `folder`.
        place: the prepared file, or the folder where the files lie. `mnist` and `fashion_mnist`: four IDX files, as
            `.gz` or unpacked; `svhn`: two `.mat` files; `gtsrb`: three zip archives; `supertraffic10`: the folders
            `gtsrb` and `btsc`, or the files of both; `folder`: a folder of images for each class.
        options: how `folder` becomes a data set; the official sets have none.

    Raises:
        DatasetError: the set is not known, a file is missing, or a file is malformed.
    """
    if name == FOLDER:
        return read_folder(place, options or FolderOptions())
    if name in _READERS and place.is_file():
        dataset = read_prepared(place, name)
        if dataset.labels != CLASS_LABELS[name]:
            raise DatasetError(f"{place}: expected the classes {', '.join(CLASS_LABELS[name])}; prepare it again")
        return dataset
    dataset, _ = read_official_files(name, place)
    return dataset


def read_official_files(name: str, folder: Path) -> tuple[Dataset, SourceFiles]:
    """An official data set, and the files that it was read from.

    Raises:
        DatasetError: the set is not known, a file is missing, or a file is malformed.
    """
    if name not in _READERS:
        raise DatasetError(f"unknown data set {name!r}: expected one of {', '.join(_READERS)}, {FOLDER}")
    files = SourceFiles(folder, {file.name: file for file in official_files(name)})
    train, test = _READERS[name](files)
    return Dataset(name, CLASS_LABELS[name], train, test, files.hashes), files
