"""What every input is to a run: a count of images, in an order, and a fingerprint."""

from abc import ABC, abstractmethod
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray


@dataclass(frozen=True)
class Unreadable:
    """Stands for the content of an image that the input does not have; `reason` becomes the row's error."""

    reason: str


@dataclass(frozen=True)
class Item:
    """One image of an input.

    `id` names it in the output. `content` is an encoded image, the file of one, or an array (H, W) or (C, H, W), uint8
    or floats in [0, 1]. `target` is its true class, where the input tells.
    """

    id: str
    content: bytes | Path | NDArray[Any] | Unreadable
    target: int | None = None


class Source(ABC):
    """Images in a fixed order, read as a stream.

    count: how many there are.
    fingerprint: `sha256:<hex>` that another input, or this one after a change, does not have.
    labelled: whether it tells true classes.
    image_shape: the shape of every image, where arrays have one; None where images are encoded.
    """

    count: int
    fingerprint: str
    labelled: bool = False
    image_shape: tuple[int, ...] | None = None

    @abstractmethod
    def items(self, start: int = 0) -> Generator[Item, None, None]:
        """The images from the one with index `start` on. Memory does not grow with their count.

        Raises:
            InputError: while it is read, where what comes is not what was announced.
        """
