import pytest

from tests.training.reports.documents import a_report
from training.attacks.ball import Norm
from training.reports.markdown import accuracy_table, epsilon_text, section
from training.reports.report_file import ReportSubject
from training.reports.rows import PAPER_ATTACKS

CNN = a_report("1111", dict.fromkeys(PAPER_ATTACKS["linf"], "1100") | {"pgd-l2": "1110"}, kind="cnn")
E_ABS = a_report(
    "1110", dict.fromkeys(PAPER_ATTACKS["linf"], "1110") | {"deepfool-linf": "0110", "square-linf": "1010"}
)


def test_the_table_has_the_papers_form() -> None:
    assert accuracy_table({"CNN": CNN, "E-ABS": E_ABS}, paper=False) == "\n".join(
        [
            "| Accuracy, % | CNN | E-ABS |",
            "| --- | --- | --- |",
            "| Images | 4 | 4 |",
            "| Clean | 100.0 [51.0, 100.0] | 75.0 [30.1, 95.4] |",
            "| **Linf** | | |",
            "| PGD | 50.0 [15.0, 85.0] | 75.0 [30.1, 95.4] |",
            "| DeepFool | 50.0 [15.0, 85.0] | 50.0 [15.0, 85.0] |",
            "| Noise | 50.0 [15.0, 85.0] | 75.0 [30.1, 95.4] |",
            "| **All Linf** | 50.0 [15.0, 85.0] | 50.0 [15.0, 85.0] |",
            "| square-linf | - | 50.0 [15.0, 85.0] |",
            "| **Worst case Linf** | 50.0 [15.0, 85.0] | 25.0 [4.6, 69.9] |",
            "| **L2** | | |",
            "| PGD | 75.0 [30.1, 95.4] | - |",
            "| DDN | - | - |",
            "| CW | - | - |",
            "| DeepFool | - | - |",
            "| Noise | - | - |",
            "| **All L2** | - | - |",
            "| **Worst case L2** | 75.0 [30.1, 95.4] | - |",
            "| **Worst case of all** | 50.0 [15.0, 85.0] | 25.0 [4.6, 69.9] |",
        ]
    )


def test_the_papers_figure_stands_beside_ours_in_every_cell_that_it_has() -> None:
    report = a_report("1111", {"noise-l2": "1110", "square-l2": "1111"}, kind="abs")
    lines = accuracy_table({"ABS": report}, paper=True).splitlines()
    assert "| Clean | 100.0 [51.0, 100.0]; paper 96.1 |" in lines
    assert "| Noise | 75.0 [30.1, 95.4]; paper 95.9? |" in lines
    assert "| DDN | -; paper 74.1 |" in lines
    assert "| square-l2 | 100.0 [51.0, 100.0] |" in lines


def test_a_section_names_the_data_the_models_the_gaps_and_the_tests() -> None:
    text = section({"CNN": CNN, "E-ABS": E_ABS}, paper=True)
    assert text.startswith("## MNIST (Linf 0.3, L2 1.5)\n\n| Accuracy, % |")
    assert "Models:\n\n- CNN: cnn; version 1\n- E-ABS: e-abs; version 1\n" in text
    assert "- square-linf: steps 80\n" in text
    assert "The paper's figures are its Table 1's, of 1000 test images." in text
    assert "| CNN | PGD Linf | 50.0 | 0.0 | +50.0 | +15.0 to +85.0 | **beyond** |" in text
    assert "| CNN | PGD L2 | 75.0 | 72.8 | " not in text
    assert "Holm's correction over the 3 tests below, alpha = 0.01." in text
    assert "- Clean: no difference is significant.\n" in text
    assert "| Worst case Linf | CNN | E-ABS | 2 | 1 | 1 | 1 | no |" in text


def test_one_model_is_compared_with_nothing_and_without_the_paper_there_are_no_gaps() -> None:
    text = section({"E-ABS": E_ABS}, paper=False)
    assert "McNemar" not in text
    assert "paper " not in text.replace("attack of the paper of", "")


def test_a_model_is_described_by_its_training_and_by_what_answers_and_what_was_attacked() -> None:
    identity = {
        "version": "2",
        "recipe": {"epochs": 30, "batch": 128, "seed": 0},
        "served": "latent inference, standard",
        "attacked": "latent inference, fast",
    }
    report = a_report("1").model_copy(update={"subject": ReportSubject(name="m", kind="e-abs", identity=identity)})
    expected = "- E-ABS: m; version 2; epochs 30; batch 128; served: latent inference, standard; attacked: latent "
    assert expected in section({"E-ABS": report}, paper=False)


def test_settings_that_differ_between_models_are_told_apart() -> None:
    weak = a_report("1", {"pgd-l2": "1"}, kind="cnn")
    weak.attacks["pgd-l2"].settings.update(steps=10, restarts=1)
    text = section({"CNN": weak, "E-ABS": a_report("1", {"pgd-l2": "1", "noise-l2": "1"})}, paper=False)
    assert "- pgd-l2: steps 10, restarts 1 (CNN); steps 80 (E-ABS)\n- noise-l2: steps 80\n" in text


def test_differences_that_are_significant_are_told_from_others() -> None:
    columns = {
        "A": a_report("1" * 30, kind="cnn"),
        "B": a_report("0" * 30, kind="abs"),
        "C": a_report("0" * 30),
    }
    text = section(columns, paper=False)
    assert "- Clean: all differences are significant except for B and C." in text
    assert "| Clean | A | B | 30 | 0 | 2e-09 | 6e-09 | yes |" in text


def test_figures_at_another_epsilon_than_the_papers_are_left_out_and_that_is_said() -> None:
    report = a_report("1", {"pgd-linf": "1", "pgd-l2": "1"}, epsilons={"linf": 0.1, "l2": 1.5})
    text = section({"E-ABS": report}, paper=True)
    assert "| PGD | 100.0 [20.7, 100.0] |" in text
    assert "Its Linf attacks went to 0.3 and are left out." in text
    assert "Its L2 attacks" not in text


def test_a_name_does_not_break_the_table() -> None:
    assert accuracy_table({"E-ABS (a|b)": a_report("1")}, paper=False).startswith("| Accuracy, % | E-ABS (a\\|b) |")


def test_a_data_set_that_the_paper_lacks_is_named() -> None:
    assert "The paper has no table of folder." in section({"E-ABS": a_report("1", dataset="folder")}, paper=True)


@pytest.mark.parametrize(
    ("epsilon", "norm", "text"),
    [(8 / 255, "linf", "8/255"), (0.3, "linf", "0.3"), (0.1, "linf", "0.1"), (1.5, "l2", "1.5"), (2, "l2", "2")],
)
def test_sizes_are_written_as_papers_do(epsilon: float, norm: Norm, text: str) -> None:
    assert epsilon_text(epsilon, norm) == text
