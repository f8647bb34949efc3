"""Servers that cannot start: each ends at once, with one line that says why and an exit code."""

import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tests.service.process.real_process import RealProcess, serving

Fails = Callable[..., str]


@pytest.fixture
def fails(tmp_path: Path, store_root: Path) -> Fails:
    """The critical line of a server that ends with the code."""

    def run(code: int, *arguments: object, store: Path = store_root, **settings: object) -> str:
        with serving(tmp_path, store, *arguments, **settings) as process:
            assert process.wait() == code
        (line,) = [line for line in process.log if line["level"] == "critical"]
        assert "exception" not in line
        return str(line["message"])

    return run


@pytest.fixture
def damaged(store_root: Path, tmp_path: Path) -> Path:
    """A copy of the store that a test may damage."""
    return Path(shutil.copytree(store_root, tmp_path / "store"))


def test_a_store_that_is_not_there(fails: Fails, tmp_path: Path) -> None:
    assert str(tmp_path / "nowhere") in fails(1, store=tmp_path / "nowhere")


def test_a_store_that_is_a_file(fails: Fails, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no store")
    assert str(tmp_path / "file") in fails(1, store=tmp_path / "file")


def test_an_unknown_model(fails: Fails) -> None:
    assert "no model 'nope'" in fails(1, models="nope")


def test_an_unknown_version(fails: Fails) -> None:
    assert "no version '7' of model 'mnist', which has 1" in fails(1, models="mnist@7")


def test_weights_that_are_not_what_was_published(fails: Fails, damaged: Path) -> None:
    weights = damaged / "mnist" / "1" / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x00")
    assert "mnist/1/weights.safetensors: expected sha256:" in fails(1, store=damaged)


def test_a_manifest_that_is_none(fails: Fails, damaged: Path) -> None:
    (damaged / "mnist" / "1" / "manifest.json").write_text("{}")
    assert "mnist/1/manifest.json" in fails(1, store=damaged)


def test_a_port_that_is_taken(fails: Fails) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert f"cannot listen on 127.0.0.1:{port}: Address already in use" in fails(1, port=port)


def test_a_host_that_nobody_knows(fails: Fails) -> None:
    assert "cannot listen on nowhere.invalid:0: " in fails(1, host="nowhere.invalid", allow_anonymous=True)


def test_a_gpu_that_is_not_there(fails: Fails) -> None:
    assert "CUDA devices, got cuda:9999" in fails(1, device="cuda:9999")


@pytest.mark.skipif(torch.cuda.is_available(), reason="CUDA is there")
def test_cuda_on_a_machine_that_has_none(fails: Fails) -> None:
    assert "device: expected one of 0 CUDA devices, got cuda" in fails(1, device="cuda")


def test_a_setting_that_is_out_of_range_is_named_by_its_variable(fails: Fails) -> None:
    message = fails(2, port=65536)
    assert "EABS_PORT: Input should be less than or equal to 65535, got '65536'" in message


def test_a_misspelt_setting_is_refused_with_the_one_that_was_meant(fails: Fails) -> None:
    assert "EABS_MAX_QEUE is no setting, did you mean EABS_MAX_QUEUE?" in fails(2, max_qeue=7)


def test_an_option_that_cannot_be_is_refused(fails: Fails) -> None:
    assert "EABS_WORKERS: Input should be greater than or equal to 1, got 0" in fails(2, "--workers", 0)


def test_the_line_has_the_logs_format(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert RealProcess(log, "serve", log_format="text", port=-1).wait() == 2
    (line,) = log.read_text().splitlines()
    assert "CRITICAL" in line
    assert "EABS_PORT" in line


def test_workers_that_cannot_load_end_the_server_with_the_reason(tmp_path: Path, store_root: Path) -> None:
    with serving(tmp_path, store_root, models="nope", workers=2) as process:
        assert process.wait() == 1
    assert "no model 'nope'" in process.messages
    assert "before it was ready, and no other serves: the server ends" in process.messages
    assert "another takes its place" not in process.messages


def test_a_cache_that_cannot_be_written_only_warns(tmp_path: Path, store_root: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with serving(tmp_path, store_root, models="mnist", cache_dir=tmp_path / "file" / "cache") as process:
        process.ready()
    assert [line for line in process.log if line["level"] == "warning" and "cache" in line["message"]]
