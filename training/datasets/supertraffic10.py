"""SuperTraffic-10: ten traffic signs out of several countries' data sets, here GTSRB and BTSC, merged by meaning."""

import torch

from training.datasets.btsc import CLASSES as BTSC_CLASSES
from training.datasets.btsc import read_btsc
from training.datasets.dataset import Split
from training.datasets.gtsrb import CLASSES as GTSRB_CLASSES
from training.datasets.gtsrb import read_gtsrb
from training.datasets.labels import SUPERTRAFFIC10_GTSRB_IDS
from training.datasets.source_files import SourceFiles

_GTSRB_OF_BTSC = {10: 25, 19: 13, 31: 9, 61: 12}
"""The GTSRB class that means the same as a BTSC class: road work, yield, no passing, priority road.

BTSC's 32 holds every speed limit and its 35 every direction that an arrow orders: their labels do not tell which of
the ten signs is meant, if any. The other BTSC classes mean none of the ten.
"""


def read_supertraffic10(files: SourceFiles) -> tuple[Split, Split]:
    """The training and the test split: images (N, 3, 32, 32), German ones first, labels 0..9.

    Training is the training parts of GTSRB and BTSC, test their test parts. The files lie in the folders `gtsrb` and
    `btsc`, or together.

    Raises:
        DatasetError: a file of either set is missing or malformed.
    """
    index_of_gtsrb = {gtsrb: index for index, gtsrb in enumerate(SUPERTRAFFIC10_GTSRB_IDS)}
    index_of_btsc = {btsc: index_of_gtsrb[gtsrb] for btsc, gtsrb in _GTSRB_OF_BTSC.items()}
    belgian = read_btsc(files.below("btsc"))
    german = read_gtsrb(files.below("gtsrb"))
    train, test = (
        _joined(_relabelled(of_gtsrb, index_of_gtsrb, GTSRB_CLASSES), _relabelled(of_btsc, index_of_btsc, BTSC_CLASSES))
        for of_gtsrb, of_btsc in zip(german, belgian, strict=True)
    )
    return train, test


def _relabelled(split: Split, index_of: dict[int, int], classes: int) -> Split:
    """The images whose label of `classes` is in `index_of`, with the label that it gives them."""
    table = torch.tensor([index_of.get(label, -1) for label in range(classes)])
    labels = table[split.labels]
    kept = labels >= 0
    return Split(split.images[kept], labels[kept])


def _joined(first: Split, second: Split) -> Split:
    return Split(torch.cat([first.images, second.images]), torch.cat([first.labels, second.labels]))
