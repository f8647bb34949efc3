from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from tests.training.robustness.brightness import LABELS, attacks, plan, samples, straight, subject
from training.attacks.ball import Ball
from training.attacks.suites import NamedAttack
from training.robustness import evaluation
from training.robustness.evaluation import Progress, Robustness, evaluate_robustness
from training.robustness.plan import Plan
from training.robustness.records import Records
from training.robustness.report import report_of

Report = Callable[[Progress], None]


def run(path: Path, chosen: Plan | None = None, report: Report = lambda _: None) -> Robustness:
    return evaluate_robustness(subject(), samples(), chosen or plan(), Records(path), report)


def standing(predictions: Tensor) -> list[bool]:
    return (predictions == torch.tensor(LABELS)).tolist()


def outcomes(found: Robustness) -> dict[str, object]:
    report = report_of(found, subject(), samples(), plan(curves=True), split="test", classes=("dark", "bright"))
    for attack in (*report["attacks"].values(), *report["curves"].values()):
        del attack["seconds"]
    return report


def test_what_falls_is_what_must_fall(tmp_path: Path) -> None:
    found = run(tmp_path)
    assert standing(found.clean.predictions) == [True, True, True, True, True, False]
    assert standing(found.attacks["pgd-linf"].predictions) == [True, True, False, False, False, False]
    # 0.4 is just enough for the second one, which is 0.2 pixels or 0.4 in L2 from one half: 77 / 255 is 0.198.
    assert standing(found.attacks["pgd-l2"].predictions) == [True, False, False, False, False, False]


def test_what_is_wrong_when_clean_is_never_attacked(tmp_path: Path) -> None:
    asked: list[int] = []

    def counts(classifier: nn.Module, images: Tensor, labels: Tensor, ball: Ball) -> Tensor:
        asked.append(len(images))
        return straight(classifier, images, labels, ball)

    run(tmp_path, plan(attacks=lambda _: [NamedAttack("pgd-linf", "linf", counts, {})]))
    assert asked == [2, 2, 1]


def test_an_image_that_fell_within_an_epsilon_is_not_attacked_within_a_larger_one(tmp_path: Path) -> None:
    met: list[tuple[float, int]] = []

    def notes(classifier: nn.Module, images: Tensor, labels: Tensor, ball: Ball) -> Tensor:
        met.append((round(ball.radii[0].item(), 4), len(images)))
        return straight(classifier, images, labels, ball)

    chosen = plan(attacks=lambda _: [NamedAttack("pgd-linf", "linf", notes, {})], curves=True, batch=6)
    curve = run(tmp_path, chosen).curves["linf"]
    # The attack itself comes first; what it found at its bound is not looked for again.
    assert met == [(0.1, 5), (0.025, 5), (0.05, 3), (0.075, 3), (0.125, 2), (0.15, 2)]
    assert curve.robust.sum(1).tolist() == [3, 3, 3, 2, 2, 2]
    assert (curve.robust[1:] <= curve.robust[:-1]).all()


def test_curves_agree_with_the_attack_at_its_bound(tmp_path: Path) -> None:
    found = run(tmp_path, plan(curves=True))
    for norm, curve in found.curves.items():
        at_bound = curve.robust[curve.epsilons.index(plan().epsilons[norm])]
        assert at_bound.tolist() == standing(found.attacks[f"pgd-{norm}"].predictions)


def test_outcomes_do_not_depend_on_the_batch_where_nothing_is_drawn(tmp_path: Path) -> None:
    found = [run(tmp_path / str(batch), plan(batch=batch)) for batch in (1, 4, 6)]
    for name in ("pgd-linf", "pgd-l2"):
        for other in found[1:]:
            assert torch.equal(other.attacks[name].images, found[0].attacks[name].images)


def test_the_same_run_twice_finds_the_same(tmp_path: Path) -> None:
    one, other = run(tmp_path / "one"), run(tmp_path / "other")
    assert torch.equal(one.attacks["noise-linf"].images, other.attacks["noise-linf"].images)
    again = run(tmp_path / "seed", plan(seed=1))
    assert not torch.equal(one.attacks["noise-linf"].images, again.attacks["noise-linf"].images)


def test_a_run_that_is_stopped_anywhere_ends_as_an_undisturbed_one(tmp_path: Path) -> None:
    chosen = plan(curves=True)
    chunks: list[Progress] = []
    expected = outcomes(run(tmp_path / "undisturbed", chosen, chunks.append))
    assert len(chunks) == 42  # clean, three attacks and two norms' five other epsilons, of three chunks each

    class StoppedError(Exception):
        pass

    for stop in range(1, len(chunks)):
        heard: list[Progress] = []

        def report(progress: Progress, stop: int = stop, heard: list[Progress] = heard) -> None:
            heard.append(progress)
            if len(heard) == stop:
                raise StoppedError

        path = tmp_path / str(stop)
        with pytest.raises(StoppedError):
            run(path, chosen, report)
        kept = {file: file.stat().st_mtime_ns for file in path.rglob("*.safetensors")}
        assert len(kept) == stop
        assert outcomes(run(path, chosen)) == expected
        assert {file: file.stat().st_mtime_ns for file in kept} == kept


def test_progress_tells_what_still_stands(tmp_path: Path) -> None:
    heard: list[Progress] = []
    run(tmp_path, report=heard.append)
    assert heard[:4] == [
        Progress("clean", 2, 6, 2),
        Progress("clean", 4, 6, 4),
        Progress("clean", 6, 6, 5),
        Progress("pgd-linf", 2, 6, 2),
    ]


def test_only_the_first_attacked_images_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluation, "KEPT", 3)
    found = run(tmp_path)
    for outcome in (found.clean, *found.attacks.values()):
        assert outcome.images.shape == (3, 1, 2, 2)


def test_settings_tell_runs_from_each_other() -> None:
    def settings(**changes: object) -> dict[str, object]:
        return evaluation.settings_of(subject(), samples(), plan(**changes), "test")

    known = [settings(), settings(seed=1), settings(batch=3), settings(curves=True)]
    known += [settings(epsilons={"linf": 0.2, "l2": 0.4}), settings(attacks=lambda seed: attacks(seed)[:2])]
    other = replace(subject(), identity={"weights": "others"})
    known += [evaluation.settings_of(other, samples(), plan(), "test")]
    assert all(one != another for place, one in enumerate(known) for another in known[:place])
