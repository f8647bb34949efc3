"""Pieces of Markdown."""

from collections.abc import Iterable, Sequence


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; an empty cell is a dash."""
    lines = [headings, ["---"] * len(headings), *([cell.replace("|", "\\|") or "-" for cell in row] for row in rows)]
    return "\n".join(("|" + "|".join(line) + "|") if line[0] == "---" else f"| {' | '.join(line)} |" for line in lines)


def anchor(heading: str) -> str:
    """Where a link to a heading leads, as GitHub has it."""
    kept = "".join(sign for sign in heading.lower() if sign.isalnum() or sign in " -_")
    return "#" + kept.replace(" ", "-")


def link(heading: str) -> str:
    """A link to a heading of the same page."""
    return f"[{heading}]({anchor(heading)})"
