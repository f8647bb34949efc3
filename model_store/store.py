"""Publishing: versions are immutable and appear at once, aliases move between them.

Writers of one model take turns under a lock on its folder.
"""

import platform
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import metadata
from itertools import count
from pathlib import Path

from eabs.networks import EABS
from eabs.prototypes import PrototypeBank
from model_store import disk
from model_store.aliases import aliases_to_bytes
from model_store.checkpoint import model_from_bytes, weights_to_bytes
from model_store.errors import InvalidManifest, NameTaken, UnknownAlias, VersionExists, VersionInUse
from model_store.manifest import MANIFEST_FILE, PROTOTYPES_FILE, WEIGHTS_FILE, Manifest, ManifestDraft
from model_store.names import ALIASES_FILE, check_name, path_below
from model_store.prototypes_file import prototypes_from_bytes, prototypes_to_bytes
from model_store.reader import ModelReader
from model_store.seal import sha256_of

_LIBRARIES = ("eabs-server", "numpy", "pydantic", "safetensors", "torch")


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
        disk.make_folder(path_below(self.root, draft.name))
        with self._writing(draft.name) as folder:
            disk.sweep(folder)
            versions, known = self._subfolders(draft.name), self._aliases(draft.name)
            version = version or _next_number(versions, {*known, *aliases})
            if version in versions:
                raise _exists(draft.name, version)
            _check_distinct([*versions, version], [*known, *aliases])
            manifest = Manifest(
                **draft.model_dump(include=set(ManifestDraft.model_fields)),
                version=version,
                created=datetime.now(UTC),
                libraries=_libraries(),
                files={file: sha256_of(data) for file, data in contents.items()},
            )
            try:
                disk.add_folder(folder / version, contents | {MANIFEST_FILE: manifest.to_bytes()})
            except FileExistsError as error:
                raise _exists(draft.name, version) from error
            if aliases:
                _write_aliases(folder, known | dict.fromkeys(aliases, version))
        return manifest

    def set_alias(self, name: str, alias: str, version: str) -> None:
        """Points the alias, new or not, at the version.

        Raises:
            NameTaken: a version has the alias's name.
            InvalidName, UnknownModel, UnknownVersion, InvalidAliases.
        """
        check_name(alias)
        self._known_version(name, version)
        with self._writing(name) as folder:
            self._known_version(name, version)
            _check_distinct(self.versions(name), [alias])
            _write_aliases(folder, self._aliases(name) | {alias: version})

    def remove_alias(self, name: str, alias: str) -> None:
        """Forgets the alias.

        Raises:
            InvalidName, UnknownModel, UnknownAlias, InvalidAliases.
        """
        check_name(alias)
        self.versions(name)
        with self._writing(name) as folder:
            known = self._aliases(name)
            if alias not in known:
                raise UnknownAlias(f"no alias {alias!r} of model {name!r}, which has {', '.join(known) or 'none'}")
            _write_aliases(folder, {other: version for other, version in known.items() if other != alias})

    def delete(self, name: str, version: str) -> None:
        """Removes the version and frees its space.

        Raises:
            VersionInUse: an alias points at it.
            InvalidName, UnknownModel, UnknownVersion, InvalidAliases.
        """
        self._known_version(name, version)
        with self._writing(name) as folder:
            self._known_version(name, version)
            users = [alias for alias, target in self._aliases(name).items() if target == version]
            if users:
                raise VersionInUse(f"{name}/{version} is what {', '.join(users)} points at")
            disk.remove_folder(folder / version)

    @contextmanager
    def _writing(self, name: str) -> Iterator[Path]:
        folder = path_below(self.root, name)
        with disk.locked(folder):
            yield folder


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


def _write_aliases(folder: Path, aliases: dict[str, str]) -> None:
    disk.replace_file(folder / ALIASES_FILE, aliases_to_bytes(aliases))


def _check_distinct(versions: Iterable[str], aliases: Iterable[str]) -> None:
    both = sorted(set(versions) & set(aliases))
    if both:
        raise NameTaken(f"expected different names for versions and aliases, got {', '.join(both)} for both")


def _exists(name: str, version: str) -> VersionExists:
    return VersionExists(f"{name}/{version} exists, and versions are immutable")


def _next_number(versions: Iterable[str], taken: Collection[str]) -> str:
    # Names are ASCII by rule, so isdecimal() means 0-9.
    last = max((int(version) for version in versions if version.isdecimal()), default=0)
    return next(str(number) for number in count(last + 1) if str(number) not in taken)


def _libraries() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for library in _LIBRARIES:
        try:
            versions[library] = metadata.version(library)
        except metadata.PackageNotFoundError:
            continue
    return versions
