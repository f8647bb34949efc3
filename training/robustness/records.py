"""A robustness run on disk: its settings, and the outcome of every chunk of work that is done.

Each outcome is one safetensors file, written atomically as soon as it is known: a run that is killed at any moment
has lost the chunk in hand and nothing else.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from training import checkpoint_file
from training.robustness.judging import Outcome

_SETTINGS = "settings.json"
_CHUNKS = "chunks"
_TENSORS = ("predictions", "seen", "distances", "images")
_MOST_DIFFERENCES = 5


class RecordsError(Exception):
    """A folder holds another run than the one that was asked for."""


class Records:
    """Reads and writes the records of one run, in the folder `path`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def open(self, settings: Mapping[str, Any]) -> None:
        """Starts the run, or joins it where the folder holds the same one already.

        Args:
            settings: everything that its outcomes depend on, as JSON has it.

        Raises:
            RecordsError: the folder holds a run of other settings, and how they differ; or it cannot be written to.
        """
        wanted = json.loads(json.dumps(settings))
        file = self.path / _SETTINGS
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            known = json.loads(file.read_text()) if file.exists() else None
            if known is None:
                write_text(file, json.dumps(wanted, indent=2) + "\n")
        except (OSError, ValueError) as error:
            raise RecordsError(f"{self.path}: expected a folder for this run: {error}") from error
        if known is not None and known != wanted:
            raise RecordsError(
                f"{self.path} holds a run with other settings: {_differences(known, wanted)}; "
                "resume it with the same options or choose another folder"
            )

    def load(self, work: str, chunk: int) -> Outcome | None:
        """The outcome of a chunk of a piece of work; None where it is not done."""
        try:
            tensors, metadata = checkpoint_file.load(self._file(work, chunk))
            return Outcome(
                **{name: tensors[name] for name in _TENSORS},
                seconds=float(metadata["seconds"]),
                inferences=int(metadata["inferences"]),
            )
        except FileNotFoundError:
            return None
        except (OSError, SafetensorError, ValueError, KeyError):
            # A power failure may leave a file without its content: the chunk is done again.
            return None

    def save(self, work: str, chunk: int, outcome: Outcome) -> None:
        """Keeps the outcome of a chunk, atomically."""
        file = self._file(work, chunk)
        file.parent.mkdir(parents=True, exist_ok=True)
        metadata = {"seconds": repr(outcome.seconds), "inferences": str(outcome.inferences)}
        checkpoint_file.save(file, {name: getattr(outcome, name) for name in _TENSORS}, metadata)

    def _file(self, work: str, chunk: int) -> Path:
        return self.path / _CHUNKS / work / f"{chunk:04d}.safetensors"


def write_text(path: Path, text: str) -> None:
    """Replaces a file's content, atomically."""
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(text)
    temporary.replace(path)


def _differences(known: Any, wanted: Any) -> str:
    there, here = _flat(known), _flat(wanted)
    names = [name for name in there | here if there.get(name) != here.get(name)]
    found = [f"{name} is {there.get(name)} there and {here.get(name)} here" for name in names[:_MOST_DIFFERENCES]]
    left = len(names) - len(found)
    return ", ".join(found) + (f", and {left} more" if left else "")


def _flat(value: Any, name: str = "") -> dict[str, Any]:
    if not isinstance(value, dict):
        return {name: value}
    return {
        full: part
        for key, inner in value.items()
        for full, part in _flat(inner, f"{name}.{key}" if name else key).items()
    }
