"""`eabs evaluate robustness`."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import torch
import typer
from rich import progress as rich_progress
from rich.table import Table

from cli.console import fail, print_json, progress_bar, stdout
from cli.evaluate.options import Attacked, Data, Device, Json, SplitName, Threads
from cli.options import BUNDLED_STORE, Store
from eabs.cores import physical_cores
from eabs.processor import processor_name
from eabs.settings import Effort, Solver
from model_store import ModelStoreError
from training import checkpoint_file
from training.datasets import DatasetError
from training.run_folder import RunError

if TYPE_CHECKING:
    from training.attacks.suites import NamedAttack
    from training.robustness.evaluation import Progress

_REPORT, _IMAGES = "report.json", "attacked.safetensors"

Suite = Literal["paper", "gradient-free", "beyond", "all", "quick"]


def robustness(
    model: Attacked,
    data: Data,
    out: Annotated[Path, typer.Option(help="Folder for the report; an interrupted run in it is resumed.")],
    attacks: Annotated[Suite, typer.Option(help="The suite: paper, gradient-free, beyond, all or quick.")] = "paper",
    store: Store = BUNDLED_STORE,
    dataset: Annotated[str | None, typer.Option(help="Ends the command where the model is of another one.")] = None,
    split: SplitName = "test",
    samples: Annotated[int, typer.Option(help="Images, drawn at random from the split.")] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Of the samples and of the attacks.")] = 0,
    only: Annotated[
        list[str] | None, typer.Option(help="An attack of the suite; repeatable. All, if left out.")
    ] = None,
    linf: Annotated[float | None, typer.Option(help="Bound, in [0, 1] pixels; the paper's for the data set.")] = None,
    l2: Annotated[float | None, typer.Option(help="Bound, in [0, 1] pixels; the paper's 1.5.")] = None,
    restarts: Annotated[
        int | None, typer.Option(min=1, help="Of the paper's PGD; 5 for grey images and 20 for others, if left out.")
    ] = None,
    curve: Annotated[bool, typer.Option("--curve", help="Measure accuracy against epsilon as well, by PGD.")] = False,
    solver: Annotated[
        Solver, typer.Option(help="Of the answers that decide: quasi-newton, or adam, the paper's.")
    ] = "quasi-newton",
    effort: Annotated[
        Effort | None, typer.Option(help="Of the answers that decide [default: the model's own].")
    ] = None,
    seen: Annotated[
        Literal[Effort, "unrolled"] | None,
        typer.Option(
            help="Effort of the latent inference that attacks see [default: what answers]; or unrolled: fast, "
            "by its own gradient."
        ),
    ] = None,
    expectation: Annotated[
        int | None,
        typer.Option(
            min=1, help="adam: attacks expect its noise over so many samples, the paper's 5 [default: they know it]."
        ),
    ] = None,
    binarised: Annotated[
        bool, typer.Option("--binarised", help="Make every image black and white before the model sees it.")
    ] = False,
    batch: Annotated[int, typer.Option(min=1, help="Images attacked at once, and kept at once.")] = 20,
    device: Device = "cpu",
    threads: Threads = None,
    as_json: Json = False,
) -> None:
    """Attack samples of a split and count what still gets its right answer; the same command resumes."""
    # They import Foolbox, which no other command should wait for.
    from training.attacks.suites import suite  # noqa: PLC0415
    from training.robustness.evaluation import evaluate_robustness, settings_of  # noqa: PLC0415
    from training.robustness.loading import Asked, load_subject  # noqa: PLC0415
    from training.robustness.plan import Plan, paper_epsilons  # noqa: PLC0415
    from training.robustness.records import Records, RecordsError, write_text  # noqa: PLC0415
    from training.robustness.report import attacked_images, report_of  # noqa: PLC0415
    from training.robustness.samples import draw_pool, draw_samples  # noqa: PLC0415

    threads = threads or physical_cores()
    torch.set_num_threads(threads)
    try:
        asked = Asked(solver, effort, seen, expectation)
        subject = load_subject(model, store=store, asked=asked, device=torch.device(device), threads=threads)
        subject = subject.binarised() if binarised else subject
        if dataset not in (None, subject.dataset):
            raise ValueError(f"dataset: expected {subject.dataset}, which {model} classifies, got {dataset}")
        known = subject.origin.load(data)
        chosen = draw_samples(subject.origin.split(known, split), samples, seed)
        pool = draw_pool(known.train, seed).to(subject.device)
        bounds = paper_epsilons(known.like)
        bounds |= {"linf": bounds["linf"] if linf is None else linf, "l2": bounds["l2"] if l2 is None else l2}

        def attacks_of(one: int) -> list["NamedAttack"]:
            return _chosen(suite(attacks, pool=pool, seed=one, restarts=restarts), only)

        plan = Plan(attacks_of, bounds, curves=curve, seed=seed, batch=batch)
        records = Records(out)
        records.open(settings_of(subject, chosen, plan, split))
    except (ModelStoreError, RunError, DatasetError, RecordsError, ValueError, RuntimeError) as error:
        fail(str(error), usage=True)
    try:
        with progress_bar() as bar:
            found = evaluate_robustness(subject, chosen, plan, records, _Bars(bar))
    except KeyboardInterrupt:
        fail(f"interrupted; the same command goes on from what is in {out}")
    report = report_of(found, subject, chosen, plan, split=split, classes=known.labels)
    report |= {"images": _IMAGES, "machine": _machine(subject.device, threads)}
    checkpoint_file.save(out / _IMAGES, attacked_images(found), {})
    write_text(out / _REPORT, json.dumps(report) + "\n")
    if as_json:
        print_json(report)
    else:
        _print(report, out / _REPORT)


class _Bars:
    """A bar for every piece of a run's work."""

    def __init__(self, bar: rich_progress.Progress) -> None:
        self._bar = bar
        self._tasks: dict[str, rich_progress.TaskID] = {}

    def __call__(self, progress: "Progress") -> None:
        if progress.work not in self._tasks:
            self._tasks[progress.work] = self._bar.add_task(progress.work, total=progress.images, note="")
        note = f"{progress.standing} stand"
        self._bar.update(self._tasks[progress.work], completed=progress.done, note=note)


def _chosen(attacks: Sequence["NamedAttack"], only: list[str] | None) -> list["NamedAttack"]:
    names = [attack.name for attack in attacks]
    if unknown := set(only or ()).difference(names):
        raise ValueError(f"only: expected {', '.join(names)}, got {', '.join(sorted(unknown))}")
    return [attack for attack in attacks if only is None or attack.name in only]


def _machine(device: torch.device, threads: int) -> dict[str, Any]:
    return {
        "processor": processor_name(),
        "cores": physical_cores(),
        "threads": threads,
        "torch": torch.__version__,
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
    }


def _print(report: dict[str, Any], file: Path) -> None:
    subject, images = report["subject"], len(report["labels"])
    stdout.print(
        f"{subject['name']}, {subject['kind']}: {sum(report['clean'])} of {images} {report['split']} images of "
        f"{report['dataset']} right when clean",
        highlight=False,
        soft_wrap=True,
    )
    table = Table("attack", "norm", "epsilon", "robust", "as it saw", "ms an image", "inferences an image")
    worst = report["clean"]
    attacked = max(1, sum(report["clean"]))
    for name, found in report["attacks"].items():
        worst = [both and one for both, one in zip(worst, found["robust"], strict=True)]
        pace = f"{1000 * found['seconds'] / attacked:.0f}", f"{found['inferences'] / attacked:.0f}"
        seen = [fooled is False for fooled in found["fooled_what_it_saw"]]
        shares = _percent(found["robust"]), _percent(seen)
        table.add_row(name, found["norm"], f"{found['epsilon']:.4g}", *shares, *pace)
    table.add_section()
    table.add_row("all of them", "", "", _percent(worst), "", "", "")
    stdout.print(table)
    stdout.print(str(file), highlight=False, soft_wrap=True)


def _percent(flags: list[bool]) -> str:
    return f"{sum(flags) / len(flags):.1%}"
