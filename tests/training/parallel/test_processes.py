"""Two real processes, which talk by gloo, against one."""

import csv
import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks.ports import free_port
from tests.cli.conftest import run_eabs
from tests.eabs_process import fork_server
from tests.small_networks import small_networks  # noqa: F401 -- a fixture
from tests.training.parallel.curve import STEPS, write_curve
from training.datasets import load_dataset
from training.generative_run import GenerativeRun
from training.loop import Trainer
from training.parallel.processes import Processes
from training.recipe import recipe_for

pytestmark = pytest.mark.usefixtures("small_networks")
TORCHRUN = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")


def as_torchrun(count: int) -> list[dict[str, str]]:
    """What torchrun tells each of so many processes."""
    address = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    common = {"TORCHELASTIC_RUN_ID": "curve", "WORLD_SIZE": str(count)}
    return [common | address | {"RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(count)]


def run(*command: object) -> str:
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("kind", ["e-abs", "a-abs"])
def test_two_processes_have_the_losses_and_the_weights_of_one(kind: str, mnist_folder: Path, tmp_path: Path) -> None:
    def curve(name: str, *environments: Mapping[str, str]) -> Any:
        file = tmp_path / f"{name}.json"
        arguments = (kind, mnist_folder, tmp_path / name, file)
        processes = [fork_server.Process(target=write_curve, args=(*arguments, own)) for own in environments]
        for process in processes:
            process.start()
        for process in processes:
            process.join()
            assert process.exitcode == 0
        return json.loads(file.read_text())

    one, two = curve("one", {}), curve("two", *as_torchrun(2))
    assert (one["processes"], two["processes"]) == (1, 2)
    assert len(one["losses"]) == len(two["losses"]) == STEPS
    # In float64 only the order of sums differs, by 1e-16, which these steps enlarge to 1e-13. BatchNorm, dropout,
    # rivals or gradients of a part alone move one of the first two losses by 5e-4 or more. float32 rounds too coarsely
    # to tell: Adam divides a gradient by its own size, so ten steps make 1e-4 of 1e-7, and so does one process with
    # another number of threads.
    for alone, shared in zip(one["losses"], two["losses"], strict=True):
        assert shared == pytest.approx(alone, rel=1e-10)
    assert two["norms"] == pytest.approx(one["norms"], rel=1e-10)


def test_the_command_trains_in_two_processes_of_which_one_writes(mnist_folder: Path, tmp_path: Path) -> None:
    arguments = (
        "train", "--dataset", "mnist", "--data", mnist_folder, "--out", tmp_path, "--device", "cpu",
        "--epochs", 1, "--batch", 80, "--json",
    )  # fmt: skip
    assert json.loads(run(*TORCHRUN, "-m", "tests.small_networks", *arguments))["step"] == 2
    with (tmp_path / "log.csv").open(newline="") as file:
        assert [row["step"] for row in csv.DictReader(file)] == ["2"]
    assert len(list((tmp_path / "tensorboard").iterdir())) == 1
    assert GenerativeRun(tmp_path).model().architecture.classes == 10
    assert json.loads(run_eabs(*arguments).out)["step"] == 2, "one process goes on with what two began"


def test_a_batch_that_cannot_be_shared_equally_is_refused(mnist_folder: Path, tmp_path: Path) -> None:
    recipe = replace(recipe_for("quick", "mnist"), batch=80)
    with pytest.raises(ValueError, match="expected a multiple of the 3 processes, got 80"):
        Trainer(
            load_dataset("mnist", mnist_folder),
            recipe,
            tmp_path,
            device=torch.device("cpu"),
            processes=Processes(rank=1, count=3),
        )


def test_parts_make_up_the_batch() -> None:
    batch = torch.arange(12).view(6, 2)
    parts = [Processes(rank, 3).part(batch) for rank in range(3)]
    assert [len(part) for part in parts] == [2, 2, 2]
    assert torch.equal(torch.cat(parts), batch)
