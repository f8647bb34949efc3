"""`eabs evaluate robustness`, attacks and all."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.cli.conftest import Eabs
from tests.few_candidates import publish_with_few_candidates
from training import checkpoint_file

ROOT = Path(__file__).parents[2]


@pytest.fixture
def attack(eabs: Eabs, network: Path, mnist_folder: Path, tmp_path: Path) -> Eabs:
    def run(*arguments: object, model: object = network, out: Path = tmp_path / "out") -> object:
        common = ("--model", model, "--data", mnist_folder, "--attacks", "quick", "--samples", 6, "--out", out)
        return eabs("evaluate", "robustness", *common, *arguments)

    return run  # type: ignore[return-value]


def outcomes(report: dict[str, Any]) -> dict[str, Any]:
    """What does not depend on the machine and on how long it took."""
    found: dict[str, Any] = json.loads(json.dumps(report))
    del found["machine"]
    for part in (*found["attacks"].values(), *found["curves"].values()):
        del part["seconds"]
    return found


def test_a_network_falls_to_pgd_and_the_report_says_so(attack: Eabs, tmp_path: Path) -> None:
    outcome = attack("--json", "--curve", "--linf", 0.3)
    assert outcome.code == 0, outcome.err
    report = json.loads(outcome.out)
    assert report == json.loads((tmp_path / "out" / "report.json").read_text())
    assert (report["subject"]["name"], report["subject"]["kind"], report["dataset"]) == ("plain", "cnn", "mnist")
    pgd = report["attacks"]["pgd-linf"]
    assert (pgd["norm"], pgd["epsilon"]) == ("linf", 0.3)
    assert sum(pgd["robust"]) < sum(report["clean"])
    assert pgd["inferences"] > 0
    assert report["attacks"]["pgd-l2"]["epsilon"] == 1.5
    assert set(report["curves"]) == {"linf", "l2"}
    assert report["machine"]["torch"] == torch.__version__
    assert set(report["machine"]) == {"processor", "cores", "threads", "torch", "device"}


def test_tables_are_made_of_the_report(attack: Eabs, eabs: Eabs, tmp_path: Path) -> None:
    assert attack("--only", "pgd-linf", "--curve").code == 0
    outcome = eabs("evaluate", "report", tmp_path / "out" / "report.json", "--out", tmp_path / "tables")
    assert outcome.code == 0, outcome.err
    assert "CNN" in (tmp_path / "tables" / "tables.md").read_text()


def test_the_first_attacked_images_are_kept_with_their_originals(attack: Eabs, tmp_path: Path) -> None:
    report = json.loads(attack("--json", "--only", "pgd-linf").out)
    images, _ = checkpoint_file.load(tmp_path / "out" / report["images"])
    assert set(images) == {"clean", "pgd-linf"}
    moved = (images["pgd-linf"].double() - images["clean"].double()).abs().amax((1, 2, 3))
    assert (moved <= 0.3).all()
    for distance, known in zip(moved.tolist(), report["attacks"]["pgd-linf"]["distances"], strict=True):
        assert known is None or known == pytest.approx(distance)


def test_the_table_sums_up(attack: Eabs) -> None:
    outcome = attack("--only", "pgd-linf", "--only", "pgd-l2")
    assert outcome.code == 0, outcome.err
    for part in ("plain, cnn: ", "of 6 test images of mnist right when clean", "pgd-l2", "all of them", "report.json"):
        assert part in outcome.out
    assert "noise-linf" not in outcome.out


def test_the_bundled_model_is_attacked_and_its_clean_accuracy_is_the_served_one(
    attack: Eabs, eabs: Eabs, mnist_folder: Path, tmp_path: Path
) -> None:
    store = publish_with_few_candidates(tmp_path / "store")
    outcome = attack("--json", "--only", "pgd-l2", "--samples", 20, "--store", store, model="mnist")
    assert outcome.code == 0, outcome.err
    report = json.loads(outcome.out)
    served = eabs("evaluate", "accuracy", "--model", "mnist", "--data", mnist_folder, "--store", store, "--json")
    assert sum(report["clean"]) == json.loads(served.out)["correct"]
    assert report["subject"]["identity"]["attacked"] == "latent inference, standard"
    robust = report["attacks"]["pgd-l2"]["robust"]
    assert all(clean or not stands for clean, stands in zip(report["clean"], robust, strict=True))


def test_a_killed_run_goes_on_and_ends_as_an_undisturbed_one(
    attack: Eabs, network: Path, mnist_folder: Path, tmp_path: Path
) -> None:
    settings = ("--samples", 12, "--batch", 1, "--only", "pgd-linf", "--only", "noise-l2", "--json")
    expected = json.loads(attack(*settings, out=tmp_path / "undisturbed").out)
    out = tmp_path / "killed"
    common = ("--model", network, "--data", mnist_folder, "--attacks", "quick", "--out", out, *settings)
    command = [sys.executable, "-m", "cli.main", "evaluate", "robustness", *map(str, common)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, start_new_session=True)
    while len(records := list(out.rglob("*.safetensors"))) < 16:
        assert process.poll() is None
        time.sleep(0.002)
    os.killpg(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not (out / "report.json").exists()
    kept = {file: file.stat().st_mtime_ns for file in records}
    resumed = attack(*settings, out=out)
    assert resumed.code == 0, resumed.err
    assert outcomes(json.loads(resumed.out)) == outcomes(expected)
    assert {file: file.stat().st_mtime_ns for file in records} == kept


def test_a_changed_setting_in_the_same_folder_is_refused_with_what_differs(attack: Eabs) -> None:
    assert attack("--only", "pgd-linf").code == 0
    assert attack("--only", "pgd-linf").code == 0
    outcome = attack("--only", "pgd-linf", "--linf", 0.2)
    assert outcome.code == 2
    assert "attacks.pgd-linf.epsilon is 0.3 there and 0.2 here" in outcome.err


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--samples", 21), "samples: expected 1 to 20, the images of the split, got 21"),
        (("--samples", 0), "samples: expected 1 to 20"),
        (("--only", "hope"), "only: expected pgd-linf"),
        (("--dataset", "svhn"), "dataset: expected mnist"),
        (("--l2", 0), "l2: expected a bound above 0"),
        (("--effort", "fast"), "effort: expected none"),
        (("--attacks", "hope"), "hope"),
    ],
)
def test_what_cannot_be_measured_is_a_usage_error(attack: Eabs, arguments: tuple[object, ...], complaint: str) -> None:
    outcome = attack(*arguments)
    assert outcome.code == 2
    assert complaint in outcome.err


def test_a_model_that_is_not_there_is_a_usage_error(attack: Eabs) -> None:
    outcome = attack(model="nonesuch")
    assert outcome.code == 2
    assert "nonesuch" in outcome.err
