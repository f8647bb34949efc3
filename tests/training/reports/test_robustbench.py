from tests.training.reports.documents import a_report
from training.reports.robustbench import robustbench_entry

ATTACKS = {"pgd-linf": "11110", "apgd-ce-linf": "11101", "square-linf": "11011", "pgd-l2": "11111"}


def test_an_entry_has_robustbenchs_fields_as_texts() -> None:
    entry = robustbench_entry(a_report("11111", ATTACKS, kind="adv-linf", name="madry"), "linf")
    assert entry is not None
    footnote = entry.pop("footnote")
    assert entry == {
        "link": "https://dl.acm.org/doi/10.1145/3411508.3421382",
        "name": "E-ABS: Extending the Analysis-By-Synthesis Robust Classification Model to More Complex Image Domains "
        "(madry)",
        "authors": "An Ju, David Wagner",
        "venue": "AISec 2020",
        "additional_data": False,
        "number_forward_passes": 1,
        "dataset": "mnist",
        "architecture": "Adv-Linf",
        "eps": "0.3",
        "clean_acc": "100.00",
        "reported": "40.00",
        "autoattack_acc": "60.00",
        "external": "40.00",
    }
    assert footnote.startswith(
        "The robust accuracy is the worst case, image by image, over pgd-linf (steps 80), apgd-ce-linf (steps 80), "
    )
    assert "on 5 test images (95 % interval 11.76 to 76.93)" in footnote
    assert "autoattack_acc is the worst case over apgd-ce-linf, square-linf, not the whole of AutoAttack." in footnote


def test_without_autoattacks_parts_there_is_no_figure_of_it() -> None:
    entry = robustbench_entry(a_report("11111", {"pgd-linf": "11000", "square-linf": "11111"}), "linf")
    assert entry is not None
    assert "autoattack_acc" not in entry
    assert entry["external"] == "40.00"


def test_a_generative_model_says_that_it_optimises() -> None:
    entry = robustbench_entry(a_report("1", {"pgd-l2": "1"}), "l2")
    assert entry is not None
    assert "number_forward_passes" not in entry
    assert entry["footnote"].endswith("found by optimisation, which RobustBench does not admit to its own lists.")


def test_the_epsilon_of_eight_grey_levels_is_written_as_papers_do() -> None:
    entry = robustbench_entry(a_report("1", {"pgd-linf": "1"}, epsilons={"linf": 8 / 255}), "linf")
    assert entry is not None
    assert entry["eps"] == "8/255"


def test_a_norm_that_was_not_attacked_has_no_entry() -> None:
    assert robustbench_entry(a_report("1", {"pgd-linf": "1"}), "l2") is None
