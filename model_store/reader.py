"""Versions of models below a root: found, checked, loaded.

<root>/<name>/<version>/manifest.json          sealed, holds the sha256 of every other file
<root>/<name>/<version>/weights.safetensors
<root>/<name>/<version>/prototypes.safetensors   of a model that has a prototype bank
<root>/<name>/aliases.json                     {"production": "3"}
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from eabs.networks import EABS
from eabs.prototypes import PrototypeBank
from model_store.aliases import aliases_from_bytes
from model_store.checkpoint import model_from_bytes
from model_store.errors import CorruptVersion, StoreUnreachable, UnknownModel, UnknownVersion
from model_store.manifest import MANIFEST_FILE, PROTOTYPES_FILE, WEIGHTS_FILE, Manifest
from model_store.names import ALIASES_FILE, check_name, natural_key
from model_store.prototypes_file import prototypes_from_bytes
from model_store.remote_storage import RemoteStorage
from model_store.seal import sha256_of
from model_store.storage import StoreRoot, storage_of
from model_store.version_cache import Listing, VersionCache

PRODUCTION = "production"

_logger = logging.getLogger(__name__)


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


@dataclass(frozen=True)
class Resolution:
    """The version that a reference means, and all aliases of its model."""

    version: str
    aliases: Mapping[str, str]


@dataclass(frozen=True)
class _Published:
    """A version's manifest and its digest."""

    manifest: Manifest
    digest: str


class ModelReader:
    """The models below `root`, a folder or a URL such as `s3://bucket/prefix`.

    Every call sees what is published now; `cache` is a folder that keeps loaded versions of a remote root (None: no
    folder does). Cheap to make, since nothing is read before it is asked for, and safe to use from any thread.

    Every method raises StoreUnreachable where a remote root does not answer, and InvalidRoot where its URL is none
    that can be opened here.
    """

    def __init__(self, root: StoreRoot, *, cache: Path | None = None) -> None:
        self.root = root
        self._storage = storage_of(root)
        remote = isinstance(self._storage, RemoteStorage)
        self._cache = VersionCache(cache, root=self._storage.location) if remote and cache is not None else None

    def names(self) -> list[str]:
        """The models that have a version, sorted."""
        return sorted(self._storage.names())

    def versions(self, name: str) -> list[str]:
        """The versions of a model in natural order: '2' before '10'.

        Raises:
            InvalidName, UnknownModel.
        """
        versions = self._versions(check_name(name))
        if not versions:
            raise UnknownModel(f"no model {name!r} in {self._storage.location}")
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
        return self.look_up(name, reference).version

    def look_up(self, name: str, reference: str | None = None) -> Resolution:
        """The version that `reference` means (see `resolve`), and the aliases of the model as they are now.

        Raises:
            InvalidName, UnknownModel, UnknownVersion, InvalidAliases.
        """
        if reference is not None:
            self._storage.check_inside(check_name(name), check_name(reference))
        listing = Listing(versions=tuple(self.versions(name)), aliases=self._aliases(name))
        if self._cache is not None:
            self._cache.remember_listing(name, listing)
        return self._resolution(name, reference, listing)

    def last_seen(self, name: str, reference: str | None = None) -> Resolution | None:
        """What `look_up` would have answered when a remote store was last asked for the model on this machine.

        None where that is not known; so it is without a cache, and of a store in a folder.
        """
        listing = None if self._cache is None else self._cache.recall_listing(name)
        try:
            return None if listing is None else self._resolution(name, reference, listing)
        except UnknownVersion:
            return None

    def manifest(self, name: str, version: str) -> Manifest:
        """The manifest of a version.

        Raises:
            InvalidName, UnknownModel, UnknownVersion, CorruptVersion, InvalidManifest.
        """
        self._known_version(name, version)
        return self._published(name, version).manifest

    def digest(self, name: str, version: str) -> str:
        """`sha256:<hex>` of the version's manifest, and so of all that was published; raises as `manifest` does."""
        self._known_version(name, version)
        return self._published(name, version).digest

    def verify(self, name: str, version: str) -> None:
        """Checks that the version's folder holds exactly what was published; nothing comes from the cache.

        Raises:
            CorruptVersion: a file is damaged, missing, or was never published.
            InvalidName, UnknownModel, UnknownVersion, InvalidManifest.
        """
        manifest = self.manifest(name, version)
        present = self._storage.files(name, version)
        for file in sorted(present - manifest.files.keys() - {MANIFEST_FILE}):
            raise CorruptVersion(f"{name}/{version}/{file}", expected="nothing", actual="a file")
        for file in manifest.files:
            self._published_bytes(manifest, file)

    def load(self, name: str, reference: str | None = None, *, device: torch.device | str = "cpu") -> LoadedModel:
        """The model that `reference` means (see `resolve`), on `device`, from the very bytes whose hash was checked.

        While a remote store is unreachable, `reference` means what it meant when the store was last asked on this
        machine (`last_seen`), and a warning says so.

        Raises:
            CorruptVersion, InvalidManifest, InvalidWeights: what is published cannot be served.
            InvalidName, UnknownModel, UnknownVersion, InvalidAliases: nothing is published under this reference.
            StoreUnreachable: the store does not answer, and the cache has not all of the version.
        """
        try:
            published = self._published(name, self.look_up(name, reference).version)
        except StoreUnreachable as error:
            published = self._last_published(name, reference, error)
        manifest = published.manifest
        model = model_from_bytes(
            self._cached_bytes(published, WEIGHTS_FILE),
            manifest.architecture.to_architecture(),
            device=device,
            file=_path(manifest, WEIGHTS_FILE),
        )
        return LoadedModel(manifest, model, published.digest, self._prototypes(published, device))

    def _resolution(self, name: str, reference: str | None, listing: Listing) -> Resolution:
        if reference is None:
            reference = PRODUCTION if PRODUCTION in listing.aliases else listing.versions[-1]
        version = listing.aliases.get(reference, reference)
        self._check_known(name, version, listing.versions)
        return Resolution(version, listing.aliases)

    def _published(self, name: str, version: str) -> _Published:
        data, file = self._read(name, version, MANIFEST_FILE), f"{name}/{version}/{MANIFEST_FILE}"
        manifest = Manifest.from_bytes(data, file=file)
        found = f"{manifest.name}/{manifest.version}"
        if found != f"{name}/{version}":
            raise CorruptVersion(file, expected=f"the manifest of {name}/{version}", actual=f"that of {found}")
        if self._cache is not None:
            self._cache.remember_version(name, version, data)
        return _Published(manifest, sha256_of(data))

    def _last_published(self, name: str, reference: str | None, error: StoreUnreachable) -> _Published:
        seen = self.last_seen(name, reference)
        data = None if self._cache is None or seen is None else self._cache.recall_version(name, seen.version)
        if data is None:
            raise error
        manifest = Manifest.from_bytes(data)
        _logger.warning("%s@%s is version %s as last seen: %s", name, reference or "", manifest.version, error)
        return _Published(manifest, sha256_of(data))

    def _versions(self, name: str) -> list[str]:
        return sorted(self._storage.versions(name), key=natural_key)

    def _aliases(self, name: str) -> dict[str, str]:
        try:
            return aliases_from_bytes(self._storage.read(name, ALIASES_FILE), file=f"{name}/{ALIASES_FILE}")
        except FileNotFoundError:
            return {}

    def _known_version(self, name: str, version: str) -> None:
        self._storage.check_inside(check_name(name), check_name(version))
        self._check_known(name, version, self.versions(name))

    def _check_known(self, name: str, version: str, versions: Sequence[str]) -> None:
        self._storage.check_inside(name, version)
        if version not in versions:
            raise UnknownVersion(f"no version {version!r} of model {name!r}, which has {', '.join(versions)}")

    def _prototypes(self, published: _Published, device: torch.device | str) -> PrototypeBank | None:
        manifest = published.manifest
        if manifest.prototypes is None:
            return None
        return prototypes_from_bytes(
            self._cached_bytes(published, PROTOTYPES_FILE),
            shape=manifest.architecture.image,
            classes=manifest.architecture.classes,
            device=device,
            file=_path(manifest, PROTOTYPES_FILE),
        )

    def _cached_bytes(self, published: _Published, file: str) -> bytes:
        if self._cache is None:
            return self._published_bytes(published.manifest, file)
        data = self._cache.read(published.digest, file, expected=published.manifest.files[file])
        if data is None:
            data = self._published_bytes(published.manifest, file)
            self._cache.keep(published.digest, file, data)
        return data

    def _published_bytes(self, manifest: Manifest, file: str) -> bytes:
        data = self._read(manifest.name, manifest.version, file)
        expected, actual = manifest.files[file], sha256_of(data)
        if actual != expected:
            raise CorruptVersion(_path(manifest, file), expected=expected, actual=actual)
        return data

    def _read(self, name: str, version: str, file: str) -> bytes:
        try:
            return self._storage.read(name, version, file)
        except FileNotFoundError:
            # Deleted meanwhile?
            self._known_version(name, version)
        raise CorruptVersion(f"{name}/{version}/{file}", expected="a file", actual="nothing")


def _path(manifest: Manifest, file: str) -> str:
    return f"{manifest.name}/{manifest.version}/{file}"
