"""Real data sets in their official formats: `load_dataset(name, folder)` reads each of them."""

from training.datasets.dataset import Dataset, DatasetError, Split, holdout, to_unit_range
from training.datasets.labels import CLASS_LABELS
from training.datasets.load import load_dataset

__all__ = ["CLASS_LABELS", "Dataset", "DatasetError", "Split", "holdout", "load_dataset", "to_unit_range"]
