import threading
from pathlib import Path

import pytest
import torch

from training import checkpoint_file


def test_tensors_and_metadata_come_back(tmp_path: Path) -> None:
    tensors = {"a": torch.randn(3, 4).T, "half": torch.ones(2).half(), "none": torch.empty(0)}
    checkpoint_file.save(tmp_path / "c.safetensors", tensors, {"step": "7"})
    found, metadata = checkpoint_file.load(tmp_path / "c.safetensors")
    assert metadata == {"step": "7"}
    assert found.keys() == tensors.keys()
    assert all(torch.equal(found[name], tensor) for name, tensor in tensors.items())
    assert [file.name for file in tmp_path.iterdir()] == ["c.safetensors"]


def test_a_reader_sees_one_whole_file_while_a_training_replaces_it(tmp_path: Path) -> None:
    path, done = tmp_path / "c.safetensors", threading.Event()

    def write(size: int) -> None:
        checkpoint_file.save(path, {"a": torch.full((size,), float(size))}, {"size": str(size)})

    def train() -> None:
        for step in range(600):
            write(1000 + 50_000 * (step % 2))
        done.set()

    write(1000)
    training = threading.Thread(target=train)
    training.start()
    sizes = set()
    try:
        while not done.is_set():
            tensors, metadata = checkpoint_file.load(path)
            sizes.add(int(metadata["size"]))
            assert len(tensors["a"]) == tensors["a"][0] == int(metadata["size"])
    finally:
        training.join()
    assert sizes == {1000, 51_000}


def test_a_missing_file_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        checkpoint_file.load(tmp_path / "c.safetensors")
