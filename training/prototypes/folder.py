"""Where a run keeps its prototype bank: `prototypes/` in the run's folder."""

import json
from dataclasses import asdict
from pathlib import Path

from eabs.prototypes import PrototypeBank
from model_store import InvalidWeights, prototypes_from_bytes, prototypes_to_bytes
from training.deformation import Deformation
from training.generative_run import GenerativeRun
from training.prototypes.recipe import PrototypeRecipe
from training.run_folder import RunError

_BANK = "prototypes.safetensors"
_RECIPE = "recipe.json"


class PrototypeFolder:
    """Reads and writes the bank of one run."""

    def __init__(self, run: Path) -> None:
        self._run = run
        self.path = run / "prototypes"

    @property
    def checkpoint(self) -> Path:
        """Where training keeps what it needs to go on."""
        return self.path / "checkpoint.safetensors"

    def save(self, bank: PrototypeBank, recipe: PrototypeRecipe) -> None:
        """Writes a trained bank and how it was trained."""
        self.path.mkdir(parents=True, exist_ok=True)
        files = {_BANK: prototypes_to_bytes(bank), _RECIPE: (json.dumps(asdict(recipe), indent=2) + "\n").encode()}
        for name, data in files.items():
            temporary = self.path / f"{name}.tmp"
            temporary.write_bytes(data)
            temporary.replace(self.path / name)

    def load(self) -> tuple[PrototypeBank, PrototypeRecipe]:
        """The trained bank and its recipe.

        Raises:
            RunError: there is none, or it is not one of this run.
        """
        architecture = GenerativeRun(self._run).model().architecture
        try:
            raw = json.loads((self.path / _RECIPE).read_text())
            recipe = PrototypeRecipe(**raw | {"deformation": Deformation(**raw["deformation"])})
            data = (self.path / _BANK).read_bytes()
            bank = prototypes_from_bytes(data, shape=architecture.image, classes=architecture.classes)
        except (OSError, ValueError, TypeError, KeyError, InvalidWeights) as error:
            raise RunError(f"{self.path}: expected a bank that `eabs prototypes train` made: {error}") from error
        return bank, recipe
