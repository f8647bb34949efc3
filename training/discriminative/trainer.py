"""The training loop of a discriminative classifier: Adam on the cross-entropy, of noisy or of attacked images."""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from training.curves import Curves
from training.datasets import Dataset, holdout, to_unit_range
from training.discriminative.adversary import adversarial_examples
from training.discriminative.network import Cnn
from training.discriminative.recipe import DiscriminativeRecipe
from training.discriminative.run import DiscriminativeRun
from training.discriminative.validation import Validation, validate
from training.run_folder import Checkpoint, RunDescription, optimizer_tensors, restore_optimizer, tensors_of
from training.start import Start
from training.steps import Steps


@dataclass(frozen=True)
class Progress:
    """Where a run stands after `step` of `steps` updates, the last one by a batch of this mean `loss`."""

    step: int
    steps: int
    epoch: int
    loss: float
    validation: Validation | None


Report = Callable[[Progress], None]


class DiscriminativeTrainer:
    """One run: the network, its optimiser, the data, and the folder that it is kept in."""

    def __init__(
        self,
        dataset: Dataset,
        recipe: DiscriminativeRecipe,
        out: Path,
        *,
        device: torch.device,
        start: Start[Cnn] | None = None,
        checkpoint_seconds: float = 60.0,
    ) -> None:
        """Starts or joins the run in `out`, with a checkpoint every `checkpoint_seconds` and after every epoch.

        `start` is the CNN whose weights an adversarial training begins with; without one they are drawn.

        Raises:
            RunError: `out` holds a run of something else, or `start` was trained on other images.
            ValueError: the training split is smaller than a batch, or `start` is not what the recipe names.
        """
        expected = recipe.adversarial and recipe.adversarial.initial_weights
        if (found := start and start.digest) != expected:
            raise ValueError(f"start: expected the weights {expected}, got {found}")
        kept, held_out = holdout(dataset.train, recipe.validation_fraction, recipe.seed)
        self._plan = Steps(recipe, len(kept))
        self.recipe = recipe
        self._checkpoint_seconds = checkpoint_seconds
        self._device = device
        self._train, self._held_out = kept.to(device), held_out.to(device)
        description = RunDescription.of(dataset, recipe, train_images=len(kept), validation_images=len(held_out))
        if start is not None:
            start.check(description)
        self.folder = DiscriminativeRun(out)
        self.folder.create(description)
        torch.manual_seed(recipe.seed)
        self.network = Cnn(description.architecture)
        if start is not None:
            self.network.load_state_dict(start.network.state_dict())
        self.network.to(device).train()
        self._adam = torch.optim.Adam(self.network.parameters(), recipe.learning_rate)
        self.step = 0

    @property
    def steps(self) -> int:
        """How many updates the whole run has."""
        return self._plan.total

    def resume(self) -> int:
        """Goes on from the folder's newest checkpoint, if there is one; returns the step reached."""
        checkpoint = self.folder.load()
        if checkpoint is not None:
            self.network.load_state_dict(checkpoint.section("model"))
            restore_optimizer(self._adam, checkpoint.section("adam"))
            self.step = checkpoint.step
        self.folder.forget_after(self.step)
        return self.step

    def run(self, report: Report = lambda _: None) -> None:
        """Trains to the end."""
        saved = time.monotonic()
        with Curves(self.folder.path, after=self.step) as curves:
            for step in self._plan.after(self.step):
                loss = self._update(step.indices.to(self._device))
                self.step = step.number + 1
                validation = None
                if step.ends_epoch:
                    validation = self._validate()
                    self._log(curves, step.epoch + 1, loss, validation)
                if step.ends_epoch or time.monotonic() - saved > self._checkpoint_seconds:
                    self.save(validation)
                    saved = time.monotonic()
                report(Progress(self.step, self.steps, step.epoch + 1, loss, validation))

    def save(self, validation: Validation | None = None) -> None:
        """Writes a checkpoint of this moment."""
        tensors = {
            **tensors_of("model", self.network.state_dict()),
            **optimizer_tensors("adam", self._adam),
        }
        self.folder.save(Checkpoint(self.step, tensors, _measured(validation)))

    def _update(self, indices: Tensor) -> float:
        """One step by some of the training images; returns their mean cross-entropy before it."""
        recipe, labels = self.recipe, self._train.labels[indices]
        torch.manual_seed(self._plan.seed(self.step))
        images = to_unit_range(self._train.images[indices])
        if recipe.adversarial is not None:
            images = adversarial_examples(self.network, images, labels, recipe.adversarial)
        images = images + recipe.augmentation_std * torch.randn_like(images)
        loss = F.cross_entropy(self.network(images), labels)
        for group in self._adam.param_groups:
            group["lr"] = recipe.learning_rate * recipe.learning_rate_factor(self.step, self._plan.per_epoch)
        self._adam.zero_grad(set_to_none=True)
        loss.backward()
        self._adam.step()
        return loss.item()

    def _validate(self) -> Validation:
        self.network.eval()
        found = validate(self.network, self._held_out, self.recipe)
        self.network.train()
        return found

    def _log(self, curves: Curves, epoch: int, loss: float, validation: Validation) -> None:
        found = _measured(validation)
        self.folder.log({"step": self.step, "epoch": epoch, "loss": loss, **found})
        curves.add("loss", loss, self.step)
        for name, value in found.items():
            curves.add(f"validation/{name}", value, self.step)


def _measured(validation: Validation | None) -> dict[str, float]:
    found = asdict(validation) if validation else {}
    return {name: value for name, value in found.items() if value is not None}
