"""The training loop, Algorithm 1 of Ju & Wagner (AISec 2020), in one process or in several that share every batch."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from eabs.class_networks import ClassDiscriminators
from eabs.family import GenerativeModel, build
from eabs.networks import Discriminator, SharedEncoderModel
from eabs.objective import ObjectiveTerms, autoencoder_objective, discriminator_objective, latents_to_judge
from eabs.prior_match import PriorDraw
from eabs.settings import settings_for
from training.curves import Curves
from training.datasets import Dataset, Split, holdout, to_unit_range
from training.deformation import Deformation
from training.discriminative.network import Cnn
from training.encoder_attack import mistaken_by_the_encoder
from training.generative_run import GenerativeRun
from training.lighting import Lighting
from training.parallel.layers import share_batches
from training.parallel.processes import Processes
from training.recipe import Recipe
from training.run_folder import (
    Checkpoint,
    RunDescription,
    RunError,
    optimizer_tensors,
    restore_optimizer,
    tensors_of,
)
from training.start import Start
from training.steps import Steps
from training.validation import Validation, validate

_ADAM_BETAS = (0.9, 0.999)
_LOSSES = (
    "total",
    "reconstruction",
    "adversarial",
    "divergence",
    "discriminative",
    "rival",
    "radius",
    "sliced_wasserstein",
)
_DIRECTIONS = 64


@dataclass(frozen=True)
class Progress:
    """Where a run stands after `step` of `steps` updates."""

    step: int
    steps: int
    epoch: int
    terms: ObjectiveTerms
    validation: Validation | None


Report = Callable[[Progress], None]


class Trainer:
    """One run: the networks, their optimisers, the data, and the folder that it is kept in."""

    def __init__(
        self,
        dataset: Dataset,
        recipe: Recipe,
        out: Path,
        *,
        device: torch.device,
        start: Start[GenerativeModel] | Start[Cnn] | None = None,
        checkpoint_seconds: float = 60.0,
        processes: Processes | None = None,
    ) -> None:
        """Starts or joins the run in `out`, with a checkpoint every `checkpoint_seconds` and after every epoch.

        Of several `processes` each has its part of every batch; the first one alone writes to `out`, which all must
        be able to read. `start` is the run whose weights a training begins with, a CNN's being those of the encoder's
        convolutions; what it has none for is drawn.

        Raises:
            RunError: `out` holds a run of something else, or `start` was trained on other images.
            ValueError: the training split is smaller than a batch, a batch cannot be shared equally, or `start` is not
                what the recipe names.
        """
        if (found := start and start.digest) != (expected := recipe.parent and recipe.parent.weights):
            raise ValueError(f"start: expected the weights {expected}, got {found}")
        self.processes = processes or Processes()
        if recipe.batch % self.processes.count:
            raise ValueError(f"batch: expected a multiple of the {self.processes.count} processes, got {recipe.batch}")
        kept, held_out = holdout(dataset.train, recipe.validation_fraction, recipe.seed)
        self._plan = Steps(recipe, len(kept))
        self.recipe = recipe
        self._checkpoint_seconds = checkpoint_seconds
        self.device = device
        self.train = kept.to(device)
        self.validation = held_out.to(device)
        self.folder = GenerativeRun(out)
        description = RunDescription.of(dataset, recipe, train_images=len(kept), validation_images=len(held_out))
        if start is not None:
            start.check(description)
        if not self.processes.first:
            self.processes.wait()
        self.folder.create(description)
        if self.processes.first:
            self.processes.wait()
        torch.manual_seed(recipe.seed)
        self.model: GenerativeModel = build(description.architecture, recipe.variant)
        if start is not None:
            _begin_with(self.model, start.network)
        self.model.to(device).train()
        share_batches(self.model, self.processes)
        self._losses = _losses_of(recipe)
        self._generators = [*self.model.encoder.parameters(), *self.model.decoders.parameters()]
        self._autoencoder_adam = torch.optim.Adam(self._generators, recipe.learning_rate, _ADAM_BETAS)
        self._discriminator_adam: torch.optim.Adam | None = None
        if self.model.discriminator is not None:
            self._discriminator_adam = torch.optim.Adam(
                self.model.discriminator.parameters(), recipe.discriminator_learning_rate, _ADAM_BETAS
            )
        self.step = 0
        if device.type == "cuda":
            torch.set_float32_matmul_precision("highest" if recipe.precision == "float32" else "high")
            torch.backends.cudnn.allow_tf32 = recipe.precision != "float32"

    @property
    def steps(self) -> int:
        """How many updates the whole run has."""
        return self._plan.total

    def resume(self) -> int:
        """Goes on from the folder's newest checkpoint, if there is one; returns the step reached.

        Raises:
            RunError: another process has found another checkpoint.
        """
        checkpoint = self.folder.load()
        if checkpoint is not None:
            self.model.load_state_dict(checkpoint.section("model"))
            restore_optimizer(self._autoencoder_adam, checkpoint.section("autoencoder"))
            if self._discriminator_adam is not None:
                restore_optimizer(self._discriminator_adam, checkpoint.section("discriminator"))
            self.step = checkpoint.step
        steps = self.processes.collect(torch.tensor([self.step], device=self.device)).tolist()
        if len(set(steps)) > 1:
            raise RunError(f"{self.folder.path}: expected a folder that all processes share, got the steps {steps}")
        if self.processes.first:
            self.folder.forget_after(self.step)
        return self.step

    def run(self, report: Report = lambda _: None) -> None:
        """Trains to the end; only the first process validates."""
        self.processes.follow_first(self.model.state_dict().values())
        saved = time.monotonic()
        with self._curves() as curves:
            for step in self._plan.after(self.step):
                terms = self._update(step.indices.to(self.device))
                self.step = step.number + 1
                epoch = step.epoch + 1
                validation = None
                if step.ends_epoch and curves is not None:
                    if epoch % self.recipe.validate_every == 0 or self.step == self.steps:
                        validation = self._validate()
                    self._log(curves, epoch, terms, validation)
                if step.ends_epoch or time.monotonic() - saved > self._checkpoint_seconds:
                    self.save(validation)
                    saved = time.monotonic()
                report(Progress(self.step, self.steps, epoch, terms, validation))

    def save(self, validation: Validation | None = None) -> None:
        """Writes a checkpoint of this moment, if this is the first process."""
        if not self.processes.first:
            return
        tensors = tensors_of("model", self.model.state_dict())
        tensors |= optimizer_tensors("autoencoder", self._autoencoder_adam)
        if self._discriminator_adam is not None:
            tensors |= optimizer_tensors("discriminator", self._discriminator_adam)
        self.folder.save(Checkpoint(self.step, tensors, asdict(validation) if validation else {}))

    def _curves(self) -> AbstractContextManager[Curves | None]:
        if not self.processes.first:
            return nullcontext()
        return Curves(self.folder.path, after=self.step)

    def _update(self, indices: Tensor) -> ObjectiveTerms:
        recipe, model = self.recipe, self.model
        if recipe.objective.rival_steps:
            model.decoders.eval()
        torch.manual_seed(self._plan.seed(self.step))
        images = to_unit_range(self.train.images[indices])
        if recipe.deformation or recipe.lighting:
            draws = torch.Generator().manual_seed(int(torch.randint(2**62, ())))
            if recipe.deformation:
                images = Deformation().times(recipe.deformation)(images, draws)
            if recipe.lighting:
                images = Lighting().times(recipe.lighting)(images, draws)
        grain = torch.randn_like(images)
        noise = torch.randn(len(images), model.architecture.latent, device=self.device)
        prior = torch.randn_like(noise)
        match = None
        if recipe.objective.sliced_wasserstein > 0:
            match = PriorDraw(prior, torch.randn(_DIRECTIONS, noise.shape[1], device=self.device))
        radii = recipe.epsilon * torch.rand(len(images), device=self.device) if recipe.epsilon else None
        # Every process draws what one would draw for the whole batch.
        whole = (images, self.train.labels[indices], grain, noise, prior)
        images, labels, grain, noise, prior = (self.processes.part(drawn) for drawn in whole)
        half = recipe.precision == "bf16"
        if radii is not None and isinstance(model, SharedEncoderModel):
            own = self.processes.part(radii)
            images = mistaken_by_the_encoder(model, images, labels, own, steps=recipe.attack_steps, half=half)
        images = images + recipe.augmentation_std * grain
        self._set_learning_rates()

        if model.discriminator is not None:
            model.discriminator.requires_grad_(False)
        terms = autoencoder_objective(
            model,
            images,
            labels,
            noise,
            recipe.objective,
            prior=match,
            half=half,
            collect=self.processes.collect,
        )
        self._autoencoder_adam.zero_grad(set_to_none=True)
        terms.total.backward()
        self.processes.average_gradients(self._generators)
        self._autoencoder_adam.step()

        if model.discriminator is not None and self._discriminator_adam is not None:
            latents = latents_to_judge(model, images, labels, noise, terms.latents)
            self._update_discriminator(model.discriminator, self._discriminator_adam, latents, prior)
        return self._of_the_whole_batch(terms)

    def _update_discriminator(
        self, discriminator: Discriminator | ClassDiscriminators, adam: torch.optim.Adam, latents: Tensor, prior: Tensor
    ) -> None:
        discriminator.requires_grad_(True)
        for again in range(self.recipe.discriminator_steps):
            if again:
                prior = self.processes.part(torch.randn(self.recipe.batch, prior.shape[1], device=self.device))
            loss = discriminator_objective(discriminator, latents, prior, self.recipe.objective.beta)
            adam.zero_grad(set_to_none=True)
            loss.backward()
            self.processes.average_gradients(discriminator.parameters())
            adam.step()

    def _of_the_whole_batch(self, terms: ObjectiveTerms) -> ObjectiveTerms:
        """The terms with their means over all processes."""
        if self.processes.count == 1:
            return terms
        means = self.processes.sum(torch.stack([getattr(terms, name).detach().double() for name in _LOSSES]))
        return replace(terms, **dict(zip(_LOSSES, means / self.processes.count, strict=True)))

    def _set_learning_rates(self) -> None:
        factor = self.recipe.learning_rate_factor(self.step, self._plan.per_epoch)
        for group in self._autoencoder_adam.param_groups:
            group["lr"] = self.recipe.learning_rate * factor
        for group in self._discriminator_adam.param_groups if self._discriminator_adam is not None else ():
            group["lr"] = self.recipe.discriminator_learning_rate * factor

    def _validate(self) -> Validation:
        subset = Split(
            self.validation.images[: self.recipe.validation_images],
            self.validation.labels[: self.recipe.validation_images],
        )
        return validate(
            self.model,
            subset,
            settings=settings_for(self.recipe.variant),
            candidates=self.recipe.validation_candidates,
            seed=self.recipe.seed,
            beta=self.recipe.objective.beta,
        )

    def _log(self, curves: Curves, epoch: int, terms: ObjectiveTerms, validation: Validation | None) -> None:
        losses = {name: getattr(terms, name).item() for name in self._losses}
        found = asdict(validation) if validation else dict.fromkeys(Validation.__dataclass_fields__, "")
        self.folder.log({"step": self.step, "epoch": epoch, **losses, **found})
        for name, value in losses.items():
            curves.add(f"loss/{name}", value, self.step)
        for name, value in (asdict(validation) if validation else {}).items():
            curves.add(f"validation/{name}", value, self.step)


def _begin_with(model: GenerativeModel, network: GenerativeModel | Cnn) -> None:
    if not isinstance(network, Cnn):
        model.load_state_dict(network.state_dict())
    elif isinstance(model, SharedEncoderModel):
        model.encoder.features.load_state_dict(network.features.state_dict())
    else:
        raise TypeError("expected a model with one encoder to begin with a CNN's convolutions")


def _losses_of(recipe: Recipe) -> list[str]:
    """The losses that a kind of model has."""
    variant = recipe.variant
    absent = {"divergence" if variant.adversarial else "adversarial"}
    if not variant.discriminative:
        absent |= {"discriminative", "rival"}
    absent |= {addition for addition in ("radius", "sliced_wasserstein") if getattr(recipe.objective, addition) == 0}
    return [name for name in _LOSSES if name not in absent]
