"""New versions of a small model, good and bad ones."""

import torch

from eabs.architecture import PRESETS
from eabs.networks import EABS
from model_store import ModelStore
from tests.service.small_model import small_draft


def publish(store: ModelStore, *, seed: int = 0, weight_scale: float = 1.0, alias: str | None = "production") -> str:
    """Publishes another random `mnist`, by default as the one in production, and returns its version. A large
    `weight_scale` makes a model that loads and cannot answer."""
    torch.manual_seed(seed)
    model = EABS(PRESETS["mnist"])
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(weight_scale)
    aliases = [] if alias is None else [alias]
    return store.publish(model, small_draft("mnist", PRESETS["mnist"]), aliases=aliases).version


def damage(store: ModelStore, version: str) -> None:
    """Flips a bit in the weights of a published version of `mnist`."""
    file = store.root / "mnist" / version / "weights.safetensors"
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
