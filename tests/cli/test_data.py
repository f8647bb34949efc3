import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Eabs
from tests.training.datasets.file_server import FileServer, running_file_server
from training.datasets import load_dataset
from training.datasets.official_files import OFFICIAL_FILES, OfficialFile


@pytest.fixture
def server(mnist_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    """A place that has the digits, which is where they are published."""
    content = {path.name: path.read_bytes() for path in mnist_folder.iterdir()}
    with running_file_server(**content) as running:
        files = tuple(
            OfficialFile(name, (f"{running.url}/{name}",), hashlib.md5(data).hexdigest())  # noqa: S324
            for name, data in content.items()
        )
        monkeypatch.setitem(OFFICIAL_FILES, "mnist", {"": files})
        yield running


def test_a_folder_becomes_a_file_that_is_told_of(eabs: Eabs, mnist_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "mnist.safetensors"
    outcome = eabs("data", "prepare", "mnist", "--data", mnist_folder, "--out", out)
    assert outcome.code == 0
    assert "train-images-idx3-ubyte.gz: unknown copy" in outcome.out
    assert "180 train, 20 test images, a part of the published set" in outcome.out
    assert len(load_dataset("mnist", out).train) == 180


def test_the_result_as_json_has_the_hashes(eabs: Eabs, mnist_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "mnist.safetensors"
    found = json.loads(eabs("data", "prepare", "mnist", "--data", mnist_folder, "--out", out, "--json").out)
    assert found["sha256"] == "sha256:" + hashlib.sha256(out.read_bytes()).hexdigest()
    assert found["images"] == {"train": 180, "test": 20}
    assert found["part"] is True
    assert found["sources"]["t10k-labels-idx1-ubyte.gz"]["verification"] == "unknown copy"


def test_missing_files_are_told_with_their_places(eabs: Eabs, mnist_folder: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(mnist_folder, tmp_path / "mnist"))
    (folder / "train-images-idx3-ubyte.gz").unlink()
    outcome = eabs("data", "prepare", "mnist", "--data", folder, "--out", tmp_path / "out")
    assert outcome.code == 1
    assert "1 of the official files of mnist are missing; --download gets them" in outcome.err
    assert "train-images-idx3-ubyte.gz (md5 f68b3c2dcbeaaa9fbdd348bbdeb94873)" in outcome.err
    assert "https://ossci-datasets.s3.amazonaws.com/mnist/train-images-idx3-ubyte.gz" in outcome.err
    assert not (tmp_path / "out").exists()


def test_missing_files_are_downloaded(eabs: Eabs, server: FileServer, tmp_path: Path) -> None:
    folder, out = tmp_path / "data", tmp_path / "mnist.safetensors"
    outcome = eabs("data", "prepare", "mnist", "--data", folder, "--out", out, "--download", "--json")
    assert outcome.code == 0
    assert {one["verification"] for one in json.loads(outcome.out)["sources"].values()} == {"official file"}
    assert len(server.asked) == 4
    assert len(load_dataset("mnist", out).train) == 180


def test_what_is_there_is_not_downloaded_again(
    eabs: Eabs, server: FileServer, mnist_folder: Path, tmp_path: Path
) -> None:
    outcome = eabs("data", "prepare", "mnist", "--data", mnist_folder, "--out", tmp_path / "out", "--download")
    assert (outcome.code, server.asked) == (0, [])


def test_a_download_that_fails_says_what_failed(eabs: Eabs, server: FileServer, tmp_path: Path) -> None:
    server.files.clear()
    outcome = eabs("data", "prepare", "mnist", "--data", tmp_path / "data", "--out", tmp_path / "out", "--download")
    assert outcome.code == 1
    assert "answered 404 Not Found" in outcome.err


def test_a_damaged_file_ends_the_command(eabs: Eabs, mnist_folder: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(mnist_folder, tmp_path / "mnist"))
    (folder / "train-images-idx3-ubyte.gz").write_bytes(b"damaged")
    outcome = eabs("data", "prepare", "mnist", "--data", folder, "--out", tmp_path / "out")
    assert outcome.code == 1
    assert "not a complete gzip file" in outcome.err


def test_an_unknown_set_is_a_usage_error(eabs: Eabs, tmp_path: Path) -> None:
    outcome = eabs("data", "prepare", "cifar", "--data", tmp_path, "--out", tmp_path / "out")
    assert outcome.code == 2
    assert "expected one of mnist, fashion_mnist" in outcome.err


def test_a_folder_to_write_is_a_usage_error(eabs: Eabs, mnist_folder: Path, tmp_path: Path) -> None:
    outcome = eabs("data", "prepare", "mnist", "--data", mnist_folder, "--out", tmp_path)
    assert outcome.code == 2
    assert "expected a file to write, got a folder" in outcome.err


def test_a_model_is_measured_on_the_prepared_file(eabs: Eabs, store: Path, mnist_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "mnist.safetensors"
    assert eabs("data", "prepare", "mnist", "--data", mnist_folder, "--out", out).code == 0
    from_folder, from_file = (
        json.loads(eabs("evaluate", "accuracy", "--model", "mnist", "--store", store, "--data", data, "--json").out)
        for data in (mnist_folder, out)
    )
    assert from_file["accuracy"] == from_folder["accuracy"]
