"""What a classifier was trained on: where its test images are, and those that were held out."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from training.datasets import FOLDER, Dataset, DatasetError, FolderOptions, Mode, Split, holdout, load_dataset

SplitName = Literal["test", "validation"]


@dataclass(frozen=True)
class Origin:
    """A data set by its name, `sha256:<hex>` of its files, and how the training divided it.

    `mode` is that of a folder's images and None for an official set. The training held out `validation_fraction` of
    the training split, drawn by `seed`.
    """

    dataset: str
    sources: Mapping[str, str]
    mode: Mode | None
    validation_fraction: float
    seed: int

    def load(self, place: Path) -> Dataset:
        """The data set, read from a folder or a prepared file.

        Raises:
            DatasetError: its files are not there; or they are a folder's, and not those that were trained on: another
                image could be one that was trained on, now counted among the test images.
        """
        dataset = load_dataset(self.dataset, place, FolderOptions(self.mode, self.seed))
        if dataset.name == FOLDER:
            self._require_sources(dataset)
        return dataset

    def split(self, dataset: Dataset, name: SplitName) -> Split:
        """The test images, or those that the training held out.

        Raises:
            DatasetError: the held-out images of other files than those that were trained on.
        """
        if name == "test":
            return dataset.test
        self._require_sources(dataset)
        _, held_out = holdout(dataset.train, self.validation_fraction, self.seed)
        return held_out

    def _require_sources(self, dataset: Dataset) -> None:
        if dataset.sources != dict(self.sources):
            raise DatasetError(f"expected the files that were trained on, {self.sources}, got {dataset.sources}")
