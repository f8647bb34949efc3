import json

import pytest

from tests.training.reports.documents import a_report
from training.reports.summary import summary

COLUMNS = {
    "CNN": a_report("1111", {"pgd-l2": "1000", "noise-linf": "1111"}, kind="cnn"),
    "E-ABS": a_report("1110", {"pgd-l2": "0110"}),
}


def test_every_row_and_model_has_its_count_share_and_interval() -> None:
    found = summary(COLUMNS, paper=False)
    assert (found["dataset"], found["images"], found["epsilons"]) == ("mnist", 4, {"linf": 0.3, "l2": 1.5})
    cell = found["accuracy"]["pgd-l2"]["E-ABS"]
    assert (cell["count"], cell["share"]) == (2, 0.5)
    assert cell["interval"] == pytest.approx([0.15, 0.85], abs=5e-4)
    assert found["accuracy"]["noise-linf"]["E-ABS"] is None
    assert found["accuracy"]["worst"]["CNN"]["count"] == 1
    assert found["models"]["CNN"] == {"name": "cnn", "kind": "cnn", "identity": {"version": "1"}}
    assert "gaps" not in found


def test_pairs_are_tested() -> None:
    (pair,) = [one for one in summary(COLUMNS, paper=False)["pairs"] if one["outcome"] == "Worst case L2"]
    assert pair == {
        "outcome": "Worst case L2",
        "first": "CNN",
        "second": "E-ABS",
        "only_first": 1,
        "only_second": 2,
        "p": 1.0,
        "adjusted_p": 1.0,
        "significant": False,
    }


def test_the_papers_figures_and_gaps_are_there_when_asked_for() -> None:
    found = json.loads(json.dumps(summary(COLUMNS, paper=True)))
    assert found["accuracy"]["pgd-l2"]["CNN"]["paper"] == {"percent": 72.8, "doubtful": False}
    assert found["accuracy"]["ddn-l2"]["CNN"] == {"paper": {"percent": 62.3, "doubtful": False}}
    (gap,) = [one for one in found["gaps"] if (one["model"], one["row"]) == ("CNN", "pgd-l2")]
    assert gap["points"] == pytest.approx(25 - 72.8)
    assert not gap["within_sampling_error"]
