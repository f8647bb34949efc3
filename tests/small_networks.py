"""Small networks instead of Table 9's, where digits are trained on.

`python -m tests.small_networks ARGUMENTS` is the `eabs` command with them.
"""

from collections.abc import Iterator

import pytest

from tests.small_architectures import SMALL_GREY
from training.architectures import ARCHITECTURES


@pytest.fixture(scope="module")
def small_networks() -> Iterator[None]:
    """As long as the module's tests last, they are what is trained on MNIST and on grey folders, and read from runs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(ARCHITECTURES, "mnist", SMALL_GREY)
        yield


def use_small_networks() -> None:
    """The same for the rest of a process."""
    ARCHITECTURES["mnist"] = SMALL_GREY


if __name__ == "__main__":
    from cli.main import main

    use_small_networks()
    main()
