"""The run folder of a generative model."""

from typing import Any

from eabs.networks import EABS
from eabs.objective import ObjectiveWeights
from training.recipe import Recipe
from training.run_folder import RunFolder


class GenerativeRun(RunFolder[Recipe]):
    """A run of `training/loop.py`."""

    kinds = ("e-abs",)

    def model(self) -> EABS:
        """The networks of the newest checkpoint, in evaluation mode.

        Raises:
            RunError: there is no checkpoint yet.
        """
        checkpoint = self.state()
        model = EABS(self.description().architecture)
        model.load_state_dict(checkpoint.section("model"))
        return model.eval().requires_grad_(False)

    def _recipe(self, raw: dict[str, Any]) -> Recipe:
        return Recipe(**raw | {"objective": ObjectiveWeights(**raw["objective"])})
