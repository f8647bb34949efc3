"""What is to be served, as the settings began it and administrators went on.

Workers of one server share it in a file: what one of them is told to load or unload, the others find there.
"""

import json
from collections.abc import Callable, Iterable
from pathlib import Path

from model_store import disk
from service.models.reference import ModelReference

References = tuple[ModelReference, ...]


class Wishes:
    """The references to serve, in their order. Its methods may block: they read and write a small local file."""

    def __init__(self, references: Iterable[ModelReference], *, file: Path | None = None) -> None:
        """Args:
        references: of the settings; they are the wishes unless the file holds others already.
        file: where workers share them; None of a server that has no other workers.
        """
        self._file = file
        self._turn = 0
        self.references: References = tuple(references)
        if file is not None:
            self._change(lambda found: found)

    @property
    def shared(self) -> bool:
        """Whether other workers may change them."""
        return self._file is not None

    def add(self, reference: ModelReference) -> None:
        """Wishes for a reference, or again for one that is wished for, so that everybody brings it up to date."""
        self._change(lambda found: tuple(dict.fromkeys((*found, reference))))

    def drop(self, name: str) -> None:
        """Wishes for nothing of this name any more."""
        self._change(lambda found: tuple(reference for reference in found if reference.name != name))

    def has_news(self) -> bool:
        """Reads what other workers have wished for; whether anything has changed since the last look."""
        if self._file is None:
            return False
        turn, references = _read(self._file)
        news = turn != self._turn
        self._turn, self.references = turn, references
        return news

    def _change(self, change: Callable[[References], References]) -> None:
        if self._file is None:
            self.references = change(self.references)
            return
        with disk.locked(self._file.parent):
            if self._file.exists():
                self._turn, self.references = _read(self._file)
            changed = change(self.references)
            if self._file.exists() and changed is self.references:
                return
            self._turn, self.references = self._turn + 1, changed
            names = [str(reference) for reference in changed]
            disk.replace_file(self._file, json.dumps({"turn": self._turn, "references": names}).encode())


def _read(file: Path) -> tuple[int, References]:
    found = json.loads(file.read_bytes())
    return found["turn"], tuple(ModelReference.parse(text) for text in found["references"])
