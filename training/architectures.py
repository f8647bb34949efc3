"""Which networks are trained on which data set."""

from eabs.architecture import PRESETS, Architecture
from training.datasets import CLASS_LABELS

ARCHITECTURES: dict[str, Architecture] = PRESETS | {
    "gtsrb": PRESETS["supertraffic10"].with_classes(len(CLASS_LABELS["gtsrb"])),
}
"""Table 9 of the paper; all of GTSRB gets the networks of SuperTraffic-10, which is a part of it."""
