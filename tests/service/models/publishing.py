"""New versions of a small model, good and bad ones."""

import torch

from eabs.networks import EABS
from model_store import ModelStore
from tests.service.small_model import small_draft
from tests.small_architectures import SMALL_GREY


def publish(store: ModelStore, *, seed: int = 0, weight_scale: float = 1.0, alias: str | None = "production") -> str:
    """Publishes another random `mnist`, by default as the one in production, and returns its version. A large
    `weight_scale` makes a model that loads and cannot answer."""
    torch.manual_seed(seed)
    model = EABS(SMALL_GREY)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(weight_scale)
    aliases = [] if alias is None else [alias]
    return store.publish(model, small_draft("mnist", SMALL_GREY), aliases=aliases).version


def damage(store: ModelStore, version: str) -> None:
    """Flips a bit in the weights of a published version of `mnist`."""
    file = store.root / "mnist" / version / "weights.safetensors"
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
