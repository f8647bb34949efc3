"""The cheapest real question that shows whether a model still answers."""

from typing import Any

import numpy as np
import torch

from service.jobs import Classifiers, Classify, ClassifyByPrototypes, Job


def answer_probe(digest: str, classifiers: Classifiers) -> None:
    """Asks a model about one black image: by its prototypes where it has some, by a fast inference where not.

    Raises:
        RuntimeError: the answer is not a number.
        Exception: whatever hinders the model.
    """
    job: Job[Any] = Classify.by_effort(digest, "fast")
    if classifiers.prototypes is not None:
        job = ClassifyByPrototypes(digest)
    image = torch.zeros(1, *classifiers.latent.architecture.image)
    (answer,) = job.run(classifiers, image)
    if not np.isfinite(answer.scores).all():
        raise RuntimeError(f"expected finite scores of a probe, got {answer.scores}")
