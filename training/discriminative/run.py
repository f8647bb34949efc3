"""The run folder of a discriminative classifier."""

from typing import Any

from training.discriminative.network import Cnn
from training.discriminative.recipe import CNN, KINDS, AdversarialTraining, DiscriminativeRecipe
from training.run_folder import RunFolder
from training.start import Start


class DiscriminativeRun(RunFolder[DiscriminativeRecipe]):
    """A run of `training/discriminative/trainer.py`."""

    kinds = KINDS

    def classifier(self) -> Cnn:
        """The network of the newest checkpoint, in evaluation mode on the CPU, its parameters without gradients.

        Raises:
            RunError: this is no run folder of these kinds, or has no checkpoint yet.
        """
        network = Cnn(self.description().architecture)
        network.load_state_dict(self.state().section("model"))
        return network.eval().requires_grad_(False)

    def start(self) -> Start[Cnn]:
        """The CNN of a run that is complete, for adversarial training to start from.

        Raises:
            RunError: the run trains something else, or is not complete.
        """
        return Start.of(self, self.classifier(), CNN)

    def _recipe(self, raw: dict[str, Any]) -> DiscriminativeRecipe:
        adversarial = raw["adversarial"]
        return DiscriminativeRecipe(**raw | {"adversarial": adversarial and AdversarialTraining(**adversarial)})
