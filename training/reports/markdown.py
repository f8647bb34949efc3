"""Robustness tables as Markdown, in the form of the paper's Tables 1 to 4."""

from collections.abc import Mapping, Sequence
from fractions import Fraction

from training.attacks.ball import NORMS, Norm
from training.reports.columns import epsilon_of
from training.reports.gaps import POINTS, Gap, gaps
from training.reports.mcnemar import ALPHA
from training.reports.pairs import PairTest, compare_pairs
from training.reports.paper_figures import IMAGES, TABLES, paper_figure
from training.reports.proportion import Proportion
from training.reports.report_file import AttackOutcome, RobustnessReport
from training.reports.rows import CLEAN, NORM_TITLES, WORST, Row, rows_of

TITLES = {"mnist": "MNIST", "fashion_mnist": "Fashion-MNIST", "supertraffic10": "SuperTraffic-10", "svhn": "SVHN"}
_MISSING = "-"


def section(columns: Mapping[str, RobustnessReport], *, paper: bool) -> str:
    """Everything on one data set: the table, with the paper's figures where asked for, gaps, and tests of the pairs.

    Args:
        columns: comparable reports of one data set by their columns' headings.
        paper: whether the paper's figure stands beside ours, and gaps are listed.
    """
    first = next(iter(columns.values()))
    reached = [(norm, epsilon_of(columns, norm)) for norm in NORMS]
    epsilons = ", ".join(f"{NORM_TITLES[norm]} {epsilon_text(size, norm)}" for norm, size in reached if size)
    title = f"## {title_of(first.dataset)}" + (f" ({epsilons})" if epsilons else "")
    parts = [title, accuracy_table(columns, paper=paper), _legend(columns, paper=paper)]
    if paper:
        parts.append(_gap_list(columns))
    if len(columns) > 1:
        parts.append(_pair_list(columns))
    return "\n\n".join(parts) + "\n"


def title_of(dataset: str) -> str:
    """The data set as people write it."""
    return TITLES.get(dataset, dataset)


def epsilon_text(epsilon: float, norm: Norm) -> str:
    """A perturbation's size as papers write it: of the maximum norm as n/255 where it is that."""
    levels = 255 * epsilon
    if norm == "linf" and abs(levels - round(levels)) < 1e-3:
        return f"{round(levels)}/255"
    return f"{float(Fraction(epsilon).limit_denominator(10_000)):g}"


def settings_text(attack: AttackOutcome) -> str:
    """An attack's settings in words."""
    return ", ".join(f"{name} {value}" for name, value in attack.settings.items()) or "no settings"


def accuracy_table(columns: Mapping[str, RobustnessReport], *, paper: bool) -> str:
    """Rows as in the paper, further attacks below, worst cases last; accuracy in percent, its interval in brackets."""
    reports = list(columns.values())
    lines = [
        _line(["Accuracy, %", *columns]),
        _line(["---"] * (len(columns) + 1)),
        _line(["Images", *(str(report.images) for report in reports)]),
        _accuracy_line(CLEAN, CLEAN.title, reports, paper=paper),
    ]
    for norm in NORMS:
        rows = rows_of(reports, norm)
        if rows:
            lines.append(_line([f"**{NORM_TITLES[norm]}**", *([""] * len(columns))]))
        for row in rows:
            title = f"**{row.full_title}**" if _combines(row) else row.title
            lines.append(_accuracy_line(row, title, reports, paper=paper))
    if all(rows_of(reports, norm) for norm in NORMS):
        lines.append(_accuracy_line(WORST, f"**{WORST.title}**", reports, paper=paper))
    return "\n".join(lines)


def _combines(row: Row) -> bool:
    return row.attacks is None or len(row.attacks) > 1


def _accuracy_line(row: Row, title: str, reports: Sequence[RobustnessReport], *, paper: bool) -> str:
    return _line([title, *(_cell(report, row, paper=paper) for report in reports)])


def _cell(report: RobustnessReport, row: Row, *, paper: bool) -> str:
    accuracy = row.accuracy(report)
    ours = _MISSING if accuracy is None else _with_interval(accuracy)
    figure = paper_figure(report, row) if paper else None
    return ours if figure is None else f"{ours}; paper {figure}"


def _with_interval(accuracy: Proportion) -> str:
    low, high = accuracy.interval
    return f"{100 * accuracy.share:.1f} [{100 * low:.1f}, {100 * high:.1f}]"


def _legend(columns: Mapping[str, RobustnessReport], *, paper: bool) -> str:
    first = next(iter(columns.values()))
    lines = [
        f"The {first.split} images are the same for all models. An image counts where it is classified as labelled, "
        "both clean and attacked; in brackets Wilson's 95 % interval.",
        '"All" is the share that withstands every attack of the paper of that norm; "Worst case" every attack of the '
        'norm that the model was attacked with, "Worst case of all" of both norms. A dash: not attacked so, or for '
        '"All" not with each of its attacks.',
    ]
    table = TABLES.get(first.dataset)
    if paper and table is None:
        lines.append(f"The paper has no table of {title_of(first.dataset)}.")
    if paper and table is not None:
        lines.append(f"The paper's figures are its Table {table.number}'s, of {IMAGES} test images.")
        if table.doubts:
            lines.append(f"A question mark: doubtful in print ({table.doubts}).")
        for norm in NORMS:
            size, wanted = epsilon_of(columns, norm), table.epsilons[norm]
            if size and abs(size - wanted) > 1e-4 * wanted:
                lines.append(f"Its {NORM_TITLES[norm]} attacks went to {epsilon_text(wanted, norm)} and are left out.")
    models = [f"- {heading}: {_model_text(report)}" for heading, report in columns.items()]
    return "\n\n".join([" ".join(lines), "\n".join(["Models:", "", *models]), _attack_list(columns)])


def _model_text(report: RobustnessReport) -> str:
    """Which model, how it was trained, by what it answers, and what attacks saw, as far as the report says so."""
    identity = report.subject.identity
    recipe = identity.get("recipe")
    parts = [report.subject.name]
    parts += [f"{field} {identity[field]}" for field in ("version", "digest") if field in identity]
    if isinstance(recipe, dict):
        parts += [f"{field} {recipe[field]}" for field in ("epochs", "batch") if field in recipe]
    parts += [f"{field}: {identity[field]}" for field in ("served", "attacked") if field in identity]
    return "; ".join(parts)


def _attack_list(columns: Mapping[str, RobustnessReport]) -> str:
    """The settings of every attack, with the models where they were not attacked alike."""
    models: dict[str, dict[str, list[str]]] = {}
    for heading, report in columns.items():
        for name, attack in report.attacks.items():
            models.setdefault(name, {}).setdefault(settings_text(attack), []).append(heading)
    lines = ["Attacks:", ""]
    for name, found in models.items():
        texts = [f"{text} ({', '.join(who)})" if len(found) > 1 else text for text, who in found.items()]
        lines.append(f"- {name}: {'; '.join(texts)}")
    return "\n".join(lines) if models else "No attacks."


def _gap_list(columns: Mapping[str, RobustnessReport]) -> str:
    heading = f"### Gaps of more than {POINTS:g} points to the paper"
    found = gaps(columns)
    if not found:
        return f"{heading}\n\nNone."
    lines = [
        _line(["Model", "Row", "Ours", "Paper", "Gap", "95 % of the gap", "Sampling error"]),
        _line(["---"] * 7),
        *(_gap_line(gap) for gap in found),
    ]
    note = (
        "The interval is Newcombe's, for two independent samples. Where it holds 0, samples of these sizes may "
        "differ so much by chance; where it does not, which chance alone does once in twenty cells, look for "
        "another cause."
    )
    return "\n\n".join([heading, "\n".join(lines), note])


def _gap_line(gap: Gap) -> str:
    low, high = gap.interval
    numbers = [f"{100 * gap.ours.share:.1f}", str(gap.paper), f"{gap.points:+.1f}", f"{low:+.1f} to {high:+.1f}"]
    return _line([gap.model, gap.row.full_title, *numbers, "within" if gap.within_sampling_error else "**beyond**"])


def _pair_list(columns: Mapping[str, RobustnessReport]) -> str:
    tests = compare_pairs(columns)
    lines = [
        _line(
            ["Outcome", "First", "Second", "Only first right", "Only second right", "p", "p, Holm", f"Below {ALPHA:g}"]
        ),
        _line(["---"] * 8),
        *(_pair_line(test) for test in tests),
    ]
    return "\n\n".join(["### McNemar's test for each pair of models", _conclusion(tests), "\n".join(lines)])


def _pair_line(test: PairTest) -> str:
    counts = [str(test.counts.only_first), str(test.counts.only_second)]
    p_values = [_p_text(test.counts.p_value), _p_text(test.adjusted_p)]
    verdict = "yes" if test.is_significant else "no"
    return _line([test.outcome, test.first, test.second, *counts, *p_values, verdict])


def _conclusion(tests: Sequence[PairTest]) -> str:
    lines = [f"Exact and two-sided, with Holm's correction over the {len(tests)} tests below, alpha = {ALPHA:g}.", ""]
    for outcome in dict.fromkeys(test.outcome for test in tests):
        chosen = [test for test in tests if test.outcome == outcome]
        equal = [f"{test.first} and {test.second}" for test in chosen if not test.is_significant]
        if not equal:
            finding = "all differences are significant"
        elif len(equal) == len(chosen):
            finding = "no difference is significant"
        else:
            finding = f"all differences are significant except for {', '.join(equal)}"
        lines.append(f"- {outcome}: {finding}.")
    return "\n".join(lines)


def _p_text(p_value: float) -> str:
    return f"{p_value:.2g}" if p_value >= 1e-4 else f"{p_value:.0e}"


def _line(cells: Sequence[str]) -> str:
    # A run folder may have any name.
    escaped = (cell.replace("|", r"\|") for cell in cells)
    return f"|{'|'.join(f' {cell} ' if cell else ' ' for cell in escaped)}|"
