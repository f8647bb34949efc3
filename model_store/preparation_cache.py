"""Preparations on disk: decoding a candidate bank takes seconds, reading it does not.

A cache only: whatever is wrong with it costs time and a logged warning, never an answer. A file is found by a
key over everything that its content depends on, and is believed only if its own checksum agrees.
"""

import hashlib
import logging
import os
import re
import secrets
import time
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from eabs.candidates import COMPONENTS, CandidateBank
from eabs.decoding import FoldedDecoders
from eabs.inference import LatentInference
from eabs.penalty import penalty_of
from eabs.preparation import Preparation, prepare
from model_store.reader import LoadedModel

KEPT_FILES = 8

_FORMAT = 2
_FILE = re.compile(r"[0-9a-f]{64}\.safetensors")
_UNFINISHED = ".preparing-"
_UNFINISHED_AGE = 3600.0
_CHECKSUM = "sha256"
_METRIC = "metric"

_logger = logging.getLogger(__name__)


def default_cache() -> Path | None:
    """`$XDG_CACHE_HOME/eabs`, or else `~/.cache/eabs`; None for a user without a home."""
    configured = Path(os.environ.get("XDG_CACHE_HOME", ""))
    # The XDG specification says that relative paths are to be ignored.
    if configured.is_absolute():
        return configured / "eabs"
    try:
        return Path.home() / ".cache" / "eabs"
    except RuntimeError:
        return None


def prepare_inference(loaded: LoadedModel, *, cache: Path | None, threads: int = 1) -> LatentInference:
    """The model made ready to classify, on its device; its preparation comes from the folder `cache` if it can.

    None means no cache. The answers are the same either way. `threads` is LatentInference's.
    """
    manifest, model = loaded.manifest, loaded.model
    preparation = _prepare(loaded, threads) if cache is None else load_or_prepare(loaded, cache=cache, threads=threads)
    return LatentInference(model, preparation, beta=manifest.beta, seed=manifest.seed, threads=threads)


def load_or_prepare(loaded: LoadedModel, *, cache: Path, threads: int = 1) -> Preparation:
    """The preparation of a model, on the model's device: read from the cache, or made and put there."""
    device = next(loaded.model.parameters()).device
    file = cache / f"{_key(loaded, device)}.safetensors"
    try:
        tensors = _read(file, _shapes(loaded))
    except FileNotFoundError:
        pass
    except (OSError, SafetensorError, ValueError) as error:
        _logger.warning("preparation %s is made again: %s", file, error)
    else:
        moved = {name: tensor.to(device) for name, tensor in tensors.items()}
        metric = moved.pop(_METRIC)
        return Preparation(CandidateBank(**moved), metric)
    preparation = _prepare(loaded, threads)
    parts = {name: getattr(preparation.bank, name) for name in _shapes(loaded) if name != _METRIC}
    parts[_METRIC] = preparation.metric
    try:
        _write(file, {name: tensor.cpu().contiguous() for name, tensor in parts.items()})
        _prune(cache)
    except (OSError, SafetensorError) as error:
        _logger.warning("preparation %s is not kept: %s", file, error)
    return preparation


def _prepare(loaded: LoadedModel, threads: int) -> Preparation:
    manifest, model = loaded.manifest, loaded.model
    return prepare(
        FoldedDecoders.fold(model.decoders),
        penalty_of(model, manifest.beta),
        candidates=manifest.candidates,
        seed=manifest.seed,
        threads=threads,
    )


def _key(loaded: LoadedModel, device: torch.device) -> str:
    # Another release of torch, or another kind of device, may round another way.
    manifest = loaded.manifest
    parts = (_FORMAT, loaded.digest, manifest.candidates, manifest.seed, torch.__version__, device.type)
    return hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()


def _shapes(loaded: LoadedModel) -> dict[str, tuple[int, ...]]:
    architecture, N = loaded.model.architecture, loaded.manifest.candidates
    K, M, P = architecture.classes, architecture.latent, architecture.pixels
    D = min(COMPONENTS, P)
    return {
        "latents": (N, M),
        "penalties": (N,),
        "mean": (P,),
        "components": (D, P),
        "coordinates": (K, N, D),
        "norms": (K, N),
        "residuals": (K, N),
        _METRIC: (K, M, M),
    }


def _read(file: Path, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Tensor]:
    if not file.is_file():
        raise FileNotFoundError(file)
    with safe_open(file, framework="pt") as opened:
        names, checksum = set(opened.keys()), (opened.metadata() or {}).get(_CHECKSUM)
        if names != shapes.keys():
            raise ValueError(f"expected the tensors {sorted(shapes)}, got {sorted(names)}")
        tensors: dict[str, Tensor] = {name: opened.get_tensor(name) for name in shapes}
    for name, tensor in tensors.items():
        if tuple(tensor.shape) != shapes[name] or tensor.dtype != torch.float32:
            raise ValueError(f"{name}: expected {shapes[name]} torch.float32, got {tuple(tensor.shape)} {tensor.dtype}")
    actual = _checksum(tensors)
    if checksum != actual:
        raise ValueError(f"expected sha256 {checksum}, got {actual}")
    try:
        os.utime(file)
    except OSError as error:
        # Its age decides what is pruned, nothing else.
        _logger.debug("%s cannot be marked as used: %s", file, error)
    return tensors


def _write(file: Path, tensors: dict[str, Tensor]) -> None:
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    unfinished = file.with_name(_UNFINISHED + secrets.token_hex(8))
    try:
        # Made here for its mode: save_file writes into a file that exists.
        os.close(os.open(unfinished, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        save_file(tensors, unfinished, metadata={_CHECKSUM: _checksum(tensors)})
        unfinished.replace(file)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise


def _checksum(tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(tensors[name].numpy().data)
    return digest.hexdigest()


def _prune(cache: Path) -> None:
    """Keeps the newest preparations. Names that are not the cache's own are left alone."""
    ages = []
    for entry in cache.iterdir():
        try:
            modified = entry.lstat().st_mtime
        except FileNotFoundError:
            continue
        if _FILE.fullmatch(entry.name):
            ages.append((modified, entry))
        elif entry.name.startswith(_UNFINISHED) and modified < time.time() - _UNFINISHED_AGE:
            entry.unlink(missing_ok=True)
    for _, entry in sorted(ages, reverse=True)[KEPT_FILES:]:
        entry.unlink(missing_ok=True)
