"""Real data sets in their official formats, and folders of images: `load_dataset(name, folder)` reads each."""

from training.datasets.dataset import Dataset, DatasetError, Mode, Split, holdout, to_unit_range
from training.datasets.folder import FOLDER, FolderOptions
from training.datasets.labels import CLASS_LABELS
from training.datasets.load import load_dataset

__all__ = [
    "CLASS_LABELS",
    "FOLDER",
    "Dataset",
    "DatasetError",
    "FolderOptions",
    "Mode",
    "Split",
    "holdout",
    "load_dataset",
    "to_unit_range",
]
