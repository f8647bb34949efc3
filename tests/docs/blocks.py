"""The command blocks of a page: in a fenced block, `$ ` begins a command, and what follows it is its output."""

import re
from dataclasses import dataclass
from pathlib import Path

# A block in one of these languages is to be read, not run; blocks of other languages are refused.
READ_ONLY = {"python", "json", "yaml"}
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Command:
    """A command as it stands on the page, and what the page says that it prints; empty where it says nothing."""

    line: int
    text: str
    shown: str


def commands_of(page: Path) -> list[Command]:
    """Every command of a page, in its order.

    Raises:
        ValueError: a block of commands that does not begin with one.
    """
    text = page.read_text()
    found = []
    for block in _FENCE.finditer(text):
        if block[1] in READ_ONLY:
            continue
        first = text.count("\n", 0, block.start(2)) + 1
        found += _commands(block[2], first, page.name)
    return found


def _commands(block: str, first: int, page: str) -> list[Command]:
    if not block.startswith("$ "):
        raise ValueError(f"{page}:{first}: expected a command, '$ ...', got {block.splitlines()[0]!r}")
    commands: list[Command] = []
    continued = False
    for number, line in enumerate(block.splitlines(), first):
        if continued or line.startswith("$ "):
            begun = commands.pop() if continued else None
            text = f"{begun.text}\n{line}" if begun else line.removeprefix("$ ")
            commands.append(Command(begun.line if begun else number, text, ""))
            continued = line.endswith("\\")
        else:
            last = commands.pop()
            commands.append(Command(last.line, last.text, f"{last.shown}{line}\n"))
    return commands
