"""A trained baseline on disk: `baseline.json` and `weights.safetensors`. Nothing is pickled."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from training.architectures import ARCHITECTURES
from training.baselines.cnn import Cnn
from training.baselines.recipe import CnnRecipe
from training.run_folder import RunError

_DESCRIPTION = "baseline.json"
_WEIGHTS = "weights.safetensors"


@dataclass(frozen=True)
class BaselineDescription:
    """What was trained on what: the data set, `sha256:<hex>` of its files, the recipe, and how it validates."""

    dataset: str
    sources: dict[str, str]
    recipe: CnnRecipe
    validation_accuracy: float


class BaselineFolder:
    """Reads and writes one baseline."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def save(self, network: Cnn, description: BaselineDescription) -> None:
        """Writes a trained network and what it is; the description comes last, so that half a baseline is none."""
        self.path.mkdir(parents=True, exist_ok=True)
        temporary = self.path / f"{_WEIGHTS}.tmp"
        save_file({name: tensor.contiguous() for name, tensor in network.state_dict().items()}, temporary)
        temporary.replace(self.path / _WEIGHTS)
        temporary = self.path / f"{_DESCRIPTION}.tmp"
        temporary.write_text(json.dumps(asdict(description), indent=2) + "\n")
        temporary.replace(self.path / _DESCRIPTION)

    def load(self) -> tuple[Cnn, BaselineDescription]:
        """The network, in evaluation mode on the CPU, and what it is.

        Raises:
            RunError: there is none.
        """
        try:
            raw = json.loads((self.path / _DESCRIPTION).read_text())
            description = BaselineDescription(**raw | {"recipe": CnnRecipe(**raw["recipe"])})
            network = Cnn(ARCHITECTURES[description.dataset])
            network.load_state_dict(load_file(self.path / _WEIGHTS))
        except (OSError, ValueError, TypeError, KeyError, RuntimeError, SafetensorError) as error:
            raise RunError(f"{self.path}: expected a folder that `eabs baselines train` made: {error}") from error
        return network.eval().requires_grad_(False), description
