"""The run folder of a generative model."""

from typing import Any

import torch

from eabs.candidates import DEFAULT_CANDIDATES
from eabs.family import GenerativeModel, build
from eabs.inference import LatentInference
from eabs.networks import EABS
from eabs.objective import ObjectiveWeights
from eabs.settings import Effort, InferenceSettings, settings_for
from eabs.variant import KINDS
from training.recipe import Parent, Recipe
from training.run_folder import RunError, RunFolder
from training.start import Start


class GenerativeRun(RunFolder[Recipe]):
    """A run of `training/loop.py`, of E-ABS or another variant."""

    kinds = KINDS

    def model(self) -> GenerativeModel:
        """The networks of the newest checkpoint, in evaluation mode.

        Raises:
            RunError: there is no checkpoint yet.
        """
        checkpoint, description = self.state(), self.description()
        model = build(description.architecture, description.recipe.variant)
        model.load_state_dict(checkpoint.section("model"))
        return model.eval().requires_grad_(False)

    def e_abs(self) -> EABS:
        """The networks of the newest checkpoint of a run that trains E-ABS, which is what is published and served.

        Raises:
            RunError: the run trains another kind, or there is no checkpoint yet.
        """
        kind, model = self.description().recipe.kind, self.model()
        if kind != "e-abs" or not isinstance(model, EABS):
            raise RunError(f"{self.path}: expected a run that trains e-abs, got one of {kind}")
        return model

    def inference(
        self,
        *,
        seed: int = 0,
        candidates: int = DEFAULT_CANDIDATES,
        threads: int = 1,
        device: torch.device | str = "cpu",
    ) -> LatentInference:
        """The newest checkpoint made ready to classify, with the beta that it was trained with.

        Args:
            seed: of the candidates and the noise.
            candidates: how many.
            threads: on the CPU, how many parts of a batch to work on at once.
            device: where to compute.

        Raises:
            RunError: there is no checkpoint yet.
        """
        beta = self.description().recipe.objective.beta
        model = self.model().to(device)
        return LatentInference.prepare(model, beta=beta, seed=seed, candidates=candidates, threads=threads)

    def settings(self, effort: Effort = "standard") -> InferenceSettings:
        """How the run's kind of model infers (`settings_for`)."""
        return settings_for(self.description().recipe.variant, effort)

    def start(self, kind: str) -> Start[GenerativeModel]:
        """The networks of a run that is complete, for another training of the same kind to start from.

        Raises:
            RunError: the run trains something else, or is not complete.
        """
        return Start.of(self, self.model(), kind)

    def _recipe(self, raw: dict[str, Any]) -> Recipe:
        parent = raw.get("parent")
        return Recipe(
            **raw | {"objective": ObjectiveWeights(**raw["objective"]), "parent": parent and Parent(**parent)}
        )
