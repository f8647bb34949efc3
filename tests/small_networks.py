"""Networks for digits that train, decode and answer in a small part of the time of Table 9's.

`python -m tests.small_networks ARGUMENTS` is the `eabs` command with them.
"""

from collections.abc import Iterator

import pytest

from eabs.architecture import Architecture, ConvLayer
from training.architectures import ARCHITECTURES

SMALL = Architecture(
    image=(1, 28, 28),
    classes=10,
    latent=4,
    encoder=(ConvLayer(4, 5, 4, 1), ConvLayer(8, 4, 3, 0)),
    decoder_linear=8,
    decoder=(ConvLayer(8, 7, 1, 0), ConvLayer(4, 4, 4, 0), ConvLayer(1, 1, 1, 0)),
    discriminator=(16, 8),
)


@pytest.fixture(scope="module")
def small_networks() -> Iterator[None]:
    """As long as the module's tests last, they are what is trained on MNIST and on grey folders, and read from runs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(ARCHITECTURES, "mnist", SMALL)
        yield


def use_small_networks() -> None:
    """The same for the rest of a process."""
    ARCHITECTURES["mnist"] = SMALL


if __name__ == "__main__":
    from cli.main import main

    use_small_networks()
    main()
