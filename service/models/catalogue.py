"""Which models this server answers with, and how a request names one of them."""

from collections.abc import Collection, Iterator, Mapping

from service.errors import NotFound
from service.models.reference import ModelReference
from service.models.served_model import ServedModel


class Catalogue:
    """The models in memory, by the reference that each is served for; the first one's name is the default.

    What is taken out of it lives on for as long as a request holds it.
    """

    def __init__(self) -> None:
        self._models: dict[ModelReference, ServedModel] = {}
        self._aliases: dict[str, dict[str, str]] = {}
        self._default: str | None = None

    def __iter__(self) -> Iterator[ServedModel]:
        """Every version in memory once."""
        return iter({(model.name, model.version): model for model in self._models.values()}.values())

    def get(self, reference: ModelReference) -> ServedModel | None:
        """What is served for a reference."""
        return self._models.get(reference)

    def loaded(self, name: str, version: str) -> ServedModel | None:
        """A version, if it is in memory for whatever reference."""
        return next((model for model in self if (model.name, model.version) == (name, version)), None)

    def put(self, reference: ModelReference, model: ServedModel) -> None:
        """Serves a model for a reference from now on, instead of what was served for it."""
        self._models[reference] = model
        self._default = self._default or reference.name

    def retain(self, references: Collection[ModelReference]) -> list[ServedModel]:
        """Serves nothing but these from now on; what is in memory no more."""
        before = list(self)
        self._models = {key: model for key, model in self._models.items() if key in references}
        names = {reference.name for reference in self._models}
        self._aliases = {name: aliases for name, aliases in self._aliases.items() if name in names}
        return [model for model in before if self.loaded(model.name, model.version) is None]

    def point(self, name: str, aliases: Mapping[str, str]) -> None:
        """Tells where the store's aliases of a model point. One whose version is not in memory stays where it was,
        while that version is: an alias that has moved is followed when the new version can answer."""
        before = self._aliases.get(name, {})
        versions = {alias: (target, before.get(alias)) for alias, target in aliases.items()}
        self._aliases[name] = {
            alias: known
            for alias, candidates in versions.items()
            if (known := next((v for v in candidates if v is not None and self.loaded(name, v)), None)) is not None
        }

    def find(self, name: str | None, reference: str | None) -> ServedModel:
        """The model that a request means.

        Args:
            name: the model's; None is the default's.
            reference: a version or an alias; None is what the first reference of this name is served with.

        Raises:
            NotFound: this server has no such model or version in memory.
        """
        if name is None:
            name = self._default
        named = {key: model for key, model in self._models.items() if key.name == name}
        if not named:
            loaded = ", ".join(sorted({model.name for model in self}))
            expected = f"one of {loaded}" if loaded else "one that is loaded, of which there is none"
            raise NotFound(f"model: expected {expected}, got {name!r}")
        if reference is None:
            return next(iter(named.values()))
        for key, model in named.items():
            if reference == key.version:
                return model
        version = self._aliases.get(str(name), {}).get(reference, reference)
        for model in named.values():
            if model.version == version:
                return model
        versions = ", ".join(dict.fromkeys(model.version for model in named.values()))
        raise NotFound(f"version: expected a loaded version of {name} ({versions}) or its alias, got {reference!r}")
