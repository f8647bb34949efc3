"""Which models this server answers with, and how a request names one of them."""

from collections.abc import Iterator

from service.errors import NotFound
from service.models.served_model import ServedModel


class Catalogue:
    """The loaded models; the first that was added is the default."""

    def __init__(self) -> None:
        self._models: list[ServedModel] = []

    def __iter__(self) -> Iterator[ServedModel]:
        return iter(self._models)

    def add(self, model: ServedModel) -> None:
        """Serves a model from now on."""
        self._models.append(model)

    def find(self, name: str | None, reference: str | None) -> ServedModel:
        """The model that a request means.

        Args:
            name: the model's; None is the default's.
            reference: a version or an alias; None is the first loaded version.

        Raises:
            NotFound: this server has no such model or version in memory.
        """
        if name is None:
            name = self._models[0].name
        named = [model for model in self._models if model.name == name]
        if not named:
            loaded = ", ".join(sorted({model.name for model in self._models}))
            raise NotFound(f"model: expected one of {loaded}, got {name!r}")
        for model in named:
            if reference is None or model.answers_to(reference):
                return model
        versions = ", ".join(model.version for model in named)
        raise NotFound(f"version: expected a loaded version of {name} ({versions}) or its alias, got {reference!r}")
