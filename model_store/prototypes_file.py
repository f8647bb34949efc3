"""A prototype bank as safetensors bytes: its points in float16, which is what they are rounded to before they are
measured; its basis and its offsets in float32; its classes in int64.
"""

import safetensors.torch
import torch
from safetensors import SafetensorError

from eabs.prototypes import PrototypeBank
from model_store.errors import InvalidWeights
from model_store.seal import sha256_of

_TYPES = {"points": torch.float16, "basis": torch.float32, "offsets": torch.float32, "classes": torch.int64}


def prototypes_to_bytes(bank: PrototypeBank) -> bytes:
    """The safetensors file of a bank; equal banks make equal bytes.

    Raises:
        InvalidWeights: a point is not exactly float16, or the basis or an offset not float32: rounding it now would
            make it another bank than the one that was measured.
    """
    exact = {name: getattr(bank, name).cpu() for name in _TYPES}
    tensors = {name: tensor.to(_TYPES[name]).contiguous() for name, tensor in exact.items()}
    for name, tensor in tensors.items():
        if not torch.equal(tensor.to(exact[name].dtype), exact[name]):
            raise InvalidWeights(f"prototypes: expected {name} that are {_TYPES[name]} numbers, got others")
    return safetensors.torch.save(tensors)


def prototypes_digest(bank: PrototypeBank) -> str:
    """`sha256:<hex>` of the bank: of a version, what its manifest says of its prototypes file.

    Raises:
        InvalidWeights: as `prototypes_to_bytes`.
    """
    return sha256_of(prototypes_to_bytes(bank))


def prototypes_from_bytes(
    data: bytes,
    *,
    shape: tuple[int, int, int],
    classes: int,
    device: torch.device | str = "cpu",
    file: str = "prototypes",
) -> PrototypeBank:
    """The bank of these bytes on `device`, for images of `shape` and K `classes`; `file` names the bytes in errors.

    Raises:
        InvalidWeights: the bytes are no safetensors file, or no bank of that shape and so many classes.
    """
    try:
        tensors = safetensors.torch.load(data)
    except (SafetensorError, KeyError, ValueError) as error:
        raise InvalidWeights(f"{file}: expected a safetensors file: {error}") from error
    found = {name: tensor.dtype for name, tensor in tensors.items()}
    if found != _TYPES:
        raise InvalidWeights(f"{file}: expected tensors {_TYPES}, got {found}")
    try:
        bank = PrototypeBank(**{name: tensor.to(device) for name, tensor in tensors.items()})
    except ValueError as error:
        raise InvalidWeights(f"{file}: {error}") from error
    if bank.shape != shape or len(bank.counts) != classes:
        raise InvalidWeights(
            f"{file}: expected prototypes of shape {shape} in {classes} classes, got {bank.shape} in {len(bank.counts)}"
        )
    return bank
