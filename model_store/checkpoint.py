"""Weights as safetensors bytes: float32 tensors by name, and nothing that could run."""

from collections.abc import Mapping

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from eabs.architecture import Architecture
from eabs.networks import EABS
from model_store.errors import InvalidWeights
from model_store.seal import sha256_of

# BatchNorm counts its batches for a momentum that these networks do not use.
_COUNTER = ".num_batches_tracked"


def weights_to_bytes(model: nn.Module) -> bytes:
    """The safetensors file of the model's weights; equal weights make equal bytes.

    Raises:
        InvalidWeights: a tensor is not float32, or holds NaN or infinity.
    """
    tensors = {
        name: tensor.detach().cpu().contiguous()
        for name, tensor in model.state_dict().items()
        if not name.endswith(_COUNTER)
    }
    _check(tensors, {name: tensor.shape for name, tensor in tensors.items()})
    return safetensors.torch.save(tensors)


def weights_digest(model: nn.Module) -> str:
    """`sha256:<hex>` of the model's weights: of a version, what its manifest says of its weights file.

    It names the networks themselves, wherever they lie: a training run and what is published of it share it.

    Raises:
        InvalidWeights: as `weights_to_bytes`.
    """
    return sha256_of(weights_to_bytes(model))


def model_from_bytes(
    data: bytes, architecture: Architecture, *, device: torch.device | str = "cpu", file: str = "weights"
) -> EABS:
    """The model of these weights on `device`, in eval mode, its parameters frozen; `file` names the bytes in errors.

    Raises:
        InvalidWeights: the bytes are no safetensors file, or its tensors are not the architecture's: some are
            missing, unexpected, of another shape or type, or not finite.
    """
    try:
        tensors = safetensors.torch.load(data)
    except (SafetensorError, KeyError, ValueError) as error:
        raise InvalidWeights(f"{file}: expected a safetensors file: {error}") from error
    # On the meta device: no memory for weights that are replaced at once, and no draw from the global generator.
    with torch.device("meta"):
        model = EABS(architecture)
    state = model.state_dict()
    counters = {name: torch.zeros((), dtype=torch.int64) for name in state if name.endswith(_COUNTER)}
    _check(tensors, {name: tensor.shape for name, tensor in state.items() if name not in counters}, file=file)
    model.load_state_dict(tensors | counters, strict=True, assign=True)
    return model.to(device).eval().requires_grad_(False)


def _check(tensors: Mapping[str, Tensor], shapes: Mapping[str, torch.Size], *, file: str = "weights") -> None:
    complaints = [f"missing {name}" for name in shapes if name not in tensors]
    for name, tensor in tensors.items():
        if name not in shapes:
            complaints.append(f"unexpected {name}")
        elif tensor.shape != shapes[name]:
            complaints.append(f"{name}: expected {tuple(shapes[name])}, got {tuple(tensor.shape)}")
        elif tensor.dtype != torch.float32:
            complaints.append(f"{name}: expected torch.float32, got {tensor.dtype}")
        elif not tensor.isfinite().all():
            complaints.append(f"{name}: expected finite values, got NaN or infinity")
    if complaints:
        raise InvalidWeights(f"{file}: {'; '.join(complaints)}")
