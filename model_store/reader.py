"""Versions of models below a folder: found, checked, loaded.

    <root>/<name>/<version>/manifest.json          sealed, holds the sha256 of every other file
    <root>/<name>/<version>/weights.safetensors
    <root>/<name>/<version>/prototypes.safetensors   of a model that has a prototype bank
    <root>/<name>/aliases.json                     {"production": "3"}

Reading takes no lock and writes nothing, so the root may be read-only.
"""

from dataclasses import dataclass
from pathlib import Path

import torch

from eabs.networks import EABS
from eabs.prototypes import PrototypeBank
from model_store.aliases import read_aliases
from model_store.checkpoint import model_from_bytes
from model_store.errors import CorruptVersion, InvalidName, UnknownModel, UnknownVersion
from model_store.manifest import MANIFEST_FILE, PROTOTYPES_FILE, WEIGHTS_FILE, Manifest
from model_store.names import ALIASES_FILE, check_name, is_name, natural_key, path_below
from model_store.prototypes_file import prototypes_from_bytes
from model_store.seal import sha256_of

PRODUCTION = "production"


@dataclass(frozen=True)
class LoadedModel:
    """A model as it was published: `model` in eval mode and frozen, `prototypes` its bank if it has one, `digest`
    `sha256:<hex>` of its manifest.json.

    The manifest holds the checksums of all other files, so the digest stands for the whole version.
    """

    manifest: Manifest
    model: EABS
    digest: str
    prototypes: PrototypeBank | None = None


class ModelReader:
    """The models below `root`. Holds no state but the path: every call sees what is on disk now."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def names(self) -> list[str]:
        """The models that have a version, sorted."""
        return sorted(name for name in self._subfolders() if self._subfolders(name))

    def versions(self, name: str) -> list[str]:
        """The versions of a model in natural order: '2' before '10'.

        Raises:
            InvalidName, UnknownModel.
        """
        versions = self._subfolders(check_name(name))
        if not versions:
            raise UnknownModel(f"no model {name!r} in {self.root}")
        return versions

    def aliases(self, name: str) -> dict[str, str]:
        """The aliases of a model and the versions they point at.

        Raises:
            InvalidName, UnknownModel, InvalidAliases.
        """
        self.versions(name)
        return self._aliases(name)

    def resolve(self, name: str, reference: str | None = None) -> str:
        """The version that `reference`, an alias or a version, means.

        None means the alias `production` where there is one, and else the last version in natural order.

        Raises:
            InvalidName, UnknownModel, UnknownVersion, InvalidAliases.
        """
        if reference is not None:
            path_below(self.root, check_name(name), check_name(reference))
        versions, aliases = self.versions(name), self._aliases(name)
        if reference is None:
            reference = PRODUCTION if PRODUCTION in aliases else versions[-1]
        return self._known_version(name, aliases.get(reference, reference))

    def manifest(self, name: str, version: str) -> Manifest:
        """The manifest of a version.

        Raises:
            InvalidName, UnknownModel, UnknownVersion, CorruptVersion, InvalidManifest.
        """
        return self._manifest(name, version)[0]

    def verify(self, name: str, version: str) -> None:
        """Checks that the version's folder holds exactly what was published.

        Raises:
            CorruptVersion: a file is damaged, missing, or was never published.
            InvalidName, UnknownModel, UnknownVersion, InvalidManifest.
        """
        manifest = self.manifest(name, version)
        present = {entry.name for entry in path_below(self.root, name, version).iterdir()}
        for file in sorted(present - manifest.files.keys() - {MANIFEST_FILE}):
            raise CorruptVersion(f"{name}/{version}/{file}", expected="nothing", actual="a file")
        for file in manifest.files:
            self._published_bytes(manifest, file)

    def load(self, name: str, reference: str | None = None, *, device: torch.device | str = "cpu") -> LoadedModel:
        """The model that `reference` means (see `resolve`), on `device`, from the very bytes whose hash was checked.

        Raises:
            CorruptVersion, InvalidManifest, InvalidWeights: what is published cannot be served.
            InvalidName, UnknownModel, UnknownVersion, InvalidAliases: nothing is published under this reference.
        """
        version = self.resolve(name, reference)
        manifest, digest = self._manifest(name, version)
        model = model_from_bytes(
            self._published_bytes(manifest, WEIGHTS_FILE),
            manifest.architecture.to_architecture(),
            device=device,
            file=f"{name}/{version}/{WEIGHTS_FILE}",
        )
        return LoadedModel(manifest, model, digest, self._prototypes(manifest, device))

    def _subfolders(self, *parts: str) -> list[str]:
        try:
            entries = list(path_below(self.root, *parts).iterdir() if parts else self.root.iterdir())
        except (FileNotFoundError, NotADirectoryError):
            return []
        return sorted((e.name for e in entries if self._is_subfolder(e, *parts)), key=natural_key)

    def _is_subfolder(self, entry: Path, *parts: str) -> bool:
        try:
            # One link that leads out of the store must not hide all other models.
            return is_name(entry.name) and path_below(self.root, *parts, entry.name).is_dir()
        except InvalidName:
            return False

    def _aliases(self, name: str) -> dict[str, str]:
        return read_aliases(path_below(self.root, name, ALIASES_FILE))

    def _known_version(self, name: str, version: str) -> str:
        path_below(self.root, check_name(name), check_name(version))
        versions = self.versions(name)
        if version not in versions:
            raise UnknownVersion(f"no version {version!r} of model {name!r}, which has {', '.join(versions)}")
        return version

    def _manifest(self, name: str, version: str) -> tuple[Manifest, str]:
        self._known_version(name, version)
        data, file = self._read(name, version, MANIFEST_FILE), f"{name}/{version}/{MANIFEST_FILE}"
        manifest = Manifest.from_bytes(data, file=file)
        found = f"{manifest.name}/{manifest.version}"
        if found != f"{name}/{version}":
            raise CorruptVersion(file, expected=f"the manifest of {name}/{version}", actual=f"that of {found}")
        return manifest, sha256_of(data)

    def _prototypes(self, manifest: Manifest, device: torch.device | str) -> PrototypeBank | None:
        if manifest.prototypes is None:
            return None
        return prototypes_from_bytes(
            self._published_bytes(manifest, PROTOTYPES_FILE),
            shape=manifest.architecture.image,
            classes=manifest.architecture.classes,
            device=device,
            file=f"{manifest.name}/{manifest.version}/{PROTOTYPES_FILE}",
        )

    def _published_bytes(self, manifest: Manifest, file: str) -> bytes:
        data = self._read(manifest.name, manifest.version, file)
        expected, actual = manifest.files[file], sha256_of(data)
        if actual != expected:
            raise CorruptVersion(f"{manifest.name}/{manifest.version}/{file}", expected=expected, actual=actual)
        return data

    def _read(self, name: str, version: str, file: str) -> bytes:
        path = path_below(self.root, name, version, file)
        try:
            # A pipe would block for ever, and a folder has no bytes.
            if path.is_file():
                return path.read_bytes()
        except FileNotFoundError:
            pass
        self._known_version(name, version)
        raise CorruptVersion(f"{name}/{version}/{file}", expected="a file", actual="nothing")
