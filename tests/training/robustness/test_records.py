from pathlib import Path

import pytest
import torch

from training.robustness.judging import Outcome
from training.robustness.records import Records, RecordsError

SETTINGS = {"seed": 0, "subject": {"name": "cnn", "identity": {"weights": "sha256:0"}}, "samples": {"count": 2}}


def outcome() -> Outcome:
    distances = torch.tensor([0.25, torch.nan], dtype=torch.float64)
    return Outcome(torch.tensor([3, -1]), torch.tensor([2, -1]), distances, torch.rand(1, 1, 2, 2), 0.125, 40)


def test_an_outcome_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    saved = outcome()
    Records(tmp_path).save("pgd-l2", 7, saved)
    found = Records(tmp_path).load("pgd-l2", 7)
    assert found is not None
    for name in ("predictions", "seen", "distances", "images"):
        torch.testing.assert_close(getattr(found, name), getattr(saved, name), rtol=0, atol=0, equal_nan=True)
    assert (found.seconds, found.inferences) == (0.125, 40)


def test_what_is_not_done_is_not_there(tmp_path: Path) -> None:
    Records(tmp_path).save("pgd-l2", 7, outcome())
    assert Records(tmp_path).load("pgd-l2", 6) is None
    assert Records(tmp_path).load("pgd-linf", 7) is None


@pytest.mark.parametrize("left", [0, 4, 100])
def test_a_file_that_lost_its_content_counts_as_not_done(tmp_path: Path, left: int) -> None:
    Records(tmp_path).save("pgd-l2", 0, outcome())
    (file,) = tmp_path.rglob("*.safetensors")
    file.write_bytes(file.read_bytes()[:left])
    assert Records(tmp_path).load("pgd-l2", 0) is None


def test_the_same_run_is_joined(tmp_path: Path) -> None:
    Records(tmp_path / "run").open(SETTINGS)
    Records(tmp_path / "run").open(SETTINGS)


def test_a_run_of_other_settings_is_refused_with_what_differs(tmp_path: Path) -> None:
    Records(tmp_path).open(SETTINGS)
    changed = SETTINGS | {"seed": 1, "subject": {"name": "cnn", "identity": {"weights": "sha256:1"}}, "batch": 4}
    with pytest.raises(RecordsError) as error:
        Records(tmp_path).open(changed)
    message = str(error.value)
    assert "seed is 0 there and 1 here" in message
    assert "subject.identity.weights is sha256:0 there and sha256:1 here" in message
    assert "batch is None there and 4 here" in message
    assert "samples" not in message


def test_many_differences_are_counted(tmp_path: Path) -> None:
    Records(tmp_path).open({str(n): n for n in range(9)})
    with pytest.raises(RecordsError, match="and 4 more"):
        Records(tmp_path).open({str(n): n + 1 for n in range(9)})


def test_a_file_is_no_folder_for_a_run(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RecordsError, match="file: expected a folder for this run"):
        Records(tmp_path / "file").open(SETTINGS)
