"""Publishing: versions are immutable and appear at once, aliases move between them."""

import platform
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from importlib import metadata
from itertools import count

from eabs.networks import EABS
from eabs.prototypes import PrototypeBank
from model_store.aliases import aliases_to_bytes
from model_store.checkpoint import model_from_bytes, weights_to_bytes
from model_store.errors import InvalidManifest, NameTaken, UnknownAlias, VersionBusy, VersionExists, VersionInUse
from model_store.manifest import MANIFEST_FILE, PROTOTYPES_FILE, WEIGHTS_FILE, Manifest, ManifestDraft
from model_store.names import ALIASES_FILE, check_name
from model_store.prototypes_file import prototypes_from_bytes, prototypes_to_bytes
from model_store.reader import ModelReader
from model_store.seal import sha256_of

_LIBRARIES = ("eabs-server", "numpy", "pydantic", "safetensors", "torch")
_TRIES = 20


class ModelStore(ModelReader):
    """The models below `root`, which need not exist before the first is published."""

    def publish(
        self,
        model: EABS,
        draft: ManifestDraft,
        *,
        prototypes: PrototypeBank | None = None,
        version: str | None = None,
        aliases: Sequence[str] = (),
    ) -> Manifest:
        """Makes the model appear as a new version, by default under the next number, then points aliases at it.

        `prototypes` is the bank that the draft describes, where it describes one.

        Raises:
            VersionExists, NameTaken: the version is there, or is an alias's name, or an alias is a version's.
            VersionBusy: another process writes the version, or was killed while it did.
            InvalidManifest: the draft describes another architecture than the model's, or another bank.
            InvalidWeights: the weights are not finite float32, or not the architecture's; the bank likewise.
            InvalidName, InvalidAliases.
        """
        for reference in [*aliases, *([] if version is None else [version])]:
            check_name(reference)
        described = draft.architecture.to_architecture()
        if described != model.architecture:
            raise InvalidManifest(f"architecture: expected the model's, {model.architecture}, got {described}")
        contents = {WEIGHTS_FILE: weights_to_bytes(model), **_prototypes_file(draft, prototypes)}
        # What cannot be loaded is not published, since it could not be mended either.
        model_from_bytes(contents[WEIGHTS_FILE], described)
        with self._storage.writing(draft.name):
            manifest = self._add(draft, contents, version=version, aliases=aliases)
            if aliases:
                self._write_aliases(draft.name, self._aliases(draft.name) | dict.fromkeys(aliases, manifest.version))
        return manifest

    def set_alias(self, name: str, alias: str, version: str) -> None:
        """Points the alias, new or not, at the version.

        Raises:
            NameTaken: a version has the alias's name.
            InvalidName, UnknownModel, UnknownVersion, InvalidAliases.
        """
        check_name(alias)
        self._known_version(name, version)
        with self._storage.writing(name):
            self._known_version(name, version)
            _check_distinct(self.versions(name), [alias])
            self._write_aliases(name, self._aliases(name) | {alias: version})

    def remove_alias(self, name: str, alias: str) -> None:
        """Forgets the alias.

        Raises:
            InvalidName, UnknownModel, UnknownAlias, InvalidAliases.
        """
        check_name(alias)
        self.versions(name)
        with self._storage.writing(name):
            known = self._aliases(name)
            if alias not in known:
                raise UnknownAlias(f"no alias {alias!r} of model {name!r}, which has {', '.join(known) or 'none'}")
            self._write_aliases(name, {other: version for other, version in known.items() if other != alias})

    def delete(self, name: str, version: str) -> None:
        """Removes the version and frees its space.

        Raises:
            VersionInUse: an alias points at it.
            VersionBusy: another process writes the version, or was killed while it did.
            InvalidName, UnknownModel, UnknownVersion, InvalidAliases.
        """
        self._known_version(name, version)
        with self._storage.writing(name):
            self._known_version(name, version)
            users = [alias for alias, target in self._aliases(name).items() if target == version]
            if users:
                raise VersionInUse(f"{name}/{version} is what {', '.join(users)} points at")
            self._storage.remove(name, version)

    def _add(
        self, draft: ManifestDraft, contents: Mapping[str, bytes], *, version: str | None, aliases: Sequence[str]
    ) -> Manifest:
        """Makes the version appear; where none is named, under the first number that nobody has or is taking."""
        if version is not None:
            return self._add_as(version, draft, contents, aliases)
        for _ in range(_TRIES - 1):
            # A number may be gone by the time that it is taken.
            with suppress(VersionExists, VersionBusy):
                return self._add_as(self._next_number(draft.name, aliases), draft, contents, aliases)
        return self._add_as(self._next_number(draft.name, aliases), draft, contents, aliases)

    def _add_as(
        self, version: str, draft: ManifestDraft, contents: Mapping[str, bytes], aliases: Sequence[str]
    ) -> Manifest:
        versions = self._versions(draft.name)
        if version in versions:
            raise VersionExists(f"{draft.name}/{version} exists, and versions are immutable")
        _check_distinct([*versions, version], [*self._aliases(draft.name), *aliases])
        manifest = Manifest(
            **draft.model_dump(include=set(ManifestDraft.model_fields)),
            version=version,
            created=datetime.now(UTC),
            libraries=_libraries(),
            files={file: sha256_of(data) for file, data in contents.items()},
        )
        self._storage.add(draft.name, version, {**contents, MANIFEST_FILE: manifest.to_bytes()})
        return manifest

    def _next_number(self, name: str, aliases: Sequence[str]) -> str:
        taken = {*self._aliases(name), *aliases, *self._storage.unfinished(name)}
        # Names are ASCII by rule, so isdecimal() means 0-9.
        last = max((int(version) for version in self._versions(name) if version.isdecimal()), default=0)
        return next(str(number) for number in count(last + 1) if str(number) not in taken)

    def _write_aliases(self, name: str, aliases: dict[str, str]) -> None:
        self._storage.replace(name, ALIASES_FILE, aliases_to_bytes(aliases))


def _prototypes_file(draft: ManifestDraft, bank: PrototypeBank | None) -> dict[str, bytes]:
    """The file of the bank that the draft describes; none where it describes none."""
    described = None if draft.prototypes is None else draft.prototypes.images
    found = None if bank is None else len(bank)
    if described != found:
        raise InvalidManifest(f"prototypes: expected the bank's {found}, got a description of {described}")
    if bank is None:
        return {}
    data = prototypes_to_bytes(bank)
    prototypes_from_bytes(data, shape=draft.architecture.image, classes=draft.architecture.classes)
    return {PROTOTYPES_FILE: data}


def _check_distinct(versions: Iterable[str], aliases: Iterable[str]) -> None:
    both = sorted(set(versions) & set(aliases))
    if both:
        raise NameTaken(f"expected different names for versions and aliases, got {', '.join(both)} for both")


def _libraries() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for library in _LIBRARIES:
        try:
            versions[library] = metadata.version(library)
        except metadata.PackageNotFoundError:
            continue
    return versions
