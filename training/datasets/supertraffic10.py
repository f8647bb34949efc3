"""SuperTraffic-10: ten traffic signs out of GTSRB, BTSC and, where it is there, DFG, merged by meaning."""

from collections.abc import Sequence
from dataclasses import replace

import torch

from training.datasets.btsc import CLASSES as BTSC_CLASSES
from training.datasets.btsc import read_btsc
from training.datasets.dataset import Split
from training.datasets.dfg import read_dfg
from training.datasets.gtsrb import CLASSES as GTSRB_CLASSES
from training.datasets.gtsrb import read_gtsrb
from training.datasets.labels import SUPERTRAFFIC10_GTSRB_IDS
from training.datasets.source_files import SourceFiles

_GTSRB_OF_BTSC = {10: 25, 19: 13, 31: 9, 61: 12}
"""The GTSRB class that means the same as a BTSC class: road work, yield, no passing, priority road.

BTSC's 32 holds every speed limit and its 35 every direction that an arrow orders: their labels do not tell which of
the ten signs is meant, if any. The other BTSC classes mean none of the ten.
"""


_GTSRB_OF_DFG = {
    "I-19": 25,
    "II-1": 13,
    "II-28": 9,
    "II-30-30": 1,
    "II-30-50": 2,
    "II-30-70": 4,
    "II-47": 38,
    "III-3": 12,
}
"""The same of DFG, by the pictures of its catalogue.

Road work, yield, no passing, the limits of 30, 50 and 70 km/h, keep right, priority road. It has no limit of 80 km/h,
and no "no passing" for heavy vehicles.
"""


def read_supertraffic10(files: SourceFiles) -> tuple[Split, Split]:
    """The training and the test split: images (N, 3, 32, 32), German, Belgian and Slovenian ones, labels 0..9.

    Training is the training parts of the sets, test their test parts. The files of GTSRB and BTSC lie in the folders
    `gtsrb` and `btsc`, or together. DFG is read where there is a folder `dfg`.

    Raises:
        DatasetError: a file of a set is missing or malformed.
    """
    index_of_gtsrb = {gtsrb: index for index, gtsrb in enumerate(SUPERTRAFFIC10_GTSRB_IDS)}
    index_of_btsc = {btsc: index_of_gtsrb[gtsrb] for btsc, gtsrb in _GTSRB_OF_BTSC.items()}
    belgian = read_btsc(files.below("btsc"))
    german = read_gtsrb(files.below("gtsrb"))
    parts = [
        [_relabelled(split, index_of_gtsrb, GTSRB_CLASSES) for split in german],
        [_relabelled(split, index_of_btsc, BTSC_CLASSES) for split in belgian],
    ]
    if (files.folder / "dfg").is_dir():
        index_of_dfg = {dfg: index_of_gtsrb[gtsrb] for dfg, gtsrb in _GTSRB_OF_DFG.items()}
        parts.append(list(read_dfg(files.below("dfg"), index_of_dfg)))
    train, test = map(_joined, zip(*parts, strict=True))
    return train, test


def _relabelled(split: Split, index_of: dict[int, int], classes: int) -> Split:
    """The images whose label of `classes` is in `index_of`, with the label that it gives them."""
    table = torch.tensor([index_of.get(label, -1) for label in range(classes)])
    labels = table[split.labels]
    kept = labels >= 0
    return replace(split, labels=labels).subset(kept)


def _joined(splits: Sequence[Split]) -> Split:
    """One split after the other. No two of them show the same object; where it is not known, each image is another."""
    objects, used = [], 0
    for split in splits:
        own = torch.arange(len(split)) if split.objects is None else split.objects
        objects.append(own + used)
        used += int(own.max()) + 1
    return Split(
        torch.cat([split.images for split in splits]), torch.cat([split.labels for split in splits]), torch.cat(objects)
    )
