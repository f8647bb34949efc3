"""Tensors and strings in one safetensors file, replaced as a whole and read as a whole."""

import json
from collections.abc import Mapping
from pathlib import Path

import safetensors.torch
from torch import Tensor

_HEADER_LENGTH = 8


def save(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Writes the file beside its old self, then takes that one's place: a kill at any moment leaves one of the two."""
    temporary = path.with_name(path.name + ".tmp")
    contiguous = {name: tensor.contiguous() for name, tensor in tensors.items()}
    safetensors.torch.save_file(contiguous, temporary, dict(metadata))
    temporary.replace(path)


def load(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors, on the CPU, and metadata.

    The file is opened once: `safetensors.safe_open` opens it twice, for its header and for its tensors, and a training
    that goes on may have replaced it in between.

    Raises:
        FileNotFoundError: there is no such file.
    """
    data = path.read_bytes()
    header = json.loads(data[_HEADER_LENGTH : _HEADER_LENGTH + int.from_bytes(data[:_HEADER_LENGTH], "little")])
    return safetensors.torch.load(data), header.get("__metadata__", {})
