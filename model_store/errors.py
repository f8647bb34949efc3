"""What can go wrong between a name and a loaded model, drawn as a flow.

    name ---------> folder ----------> bytes ----------> manifest --------> model
       InvalidName     UnknownModel       CorruptVersion    InvalidManifest    InvalidWeights
                       UnknownVersion

    aliases.json -> version            draft + model ---> new version
       InvalidAliases                     InvalidManifest, InvalidWeights
       UnknownAlias                       VersionExists
                                          NameTaken
                                          VersionBusy
    version ------> nothing
       VersionInUse
       VersionBusy

    root ---------> storage --------> anything of the above
       InvalidRoot     StoreUnreachable

Everything left of `bytes` is the caller's mistake; everything right of it is the publisher's, or damage. A store that
is unreachable may answer later, and says nothing about what it holds.
"""

# ruff: noqa: N818 -- the names read as what happened; the base class says that they are errors.


class ModelStoreError(Exception):
    """Any failure that the store itself knows how to explain."""


class InvalidName(ModelStoreError, ValueError):
    """A model, version or alias whose name breaks the rule, or whose path leaves the store."""


class InvalidRoot(ModelStoreError, ValueError):
    """A root that is no folder and no URL that can be opened here: its protocol is unknown, or its package missing."""


class StoreUnreachable(ModelStoreError):
    """The place of a remote store does not answer, not in time, or not to us. Trying again later may help."""


class UnknownModel(ModelStoreError):
    """No version of this model is published here."""


class UnknownVersion(ModelStoreError):
    """The model exists, but neither a version nor an alias of this name does."""


class UnknownAlias(ModelStoreError):
    """The model has no alias of this name."""


class VersionExists(ModelStoreError):
    """Versions are immutable: what is published under a version stays."""


class VersionBusy(ModelStoreError):
    """Another process writes this version of a remote store, or was killed while it did."""


class VersionInUse(ModelStoreError):
    """An alias points at the version that was to be deleted."""


class NameTaken(ModelStoreError):
    """An alias may not be named like a version, nor a version like an alias: a reference means one thing."""


class CorruptVersion(ModelStoreError):
    """A published file is not what was published.

    `file` is `<name>/<version>/<file>`. `expected` and `actual` are `sha256:<hex>`, or words where there is
    nothing to hash (`a file`, `nothing`).
    """

    def __init__(self, file: str, *, expected: str, actual: str) -> None:
        super().__init__(f"{file}: expected {expected}, found {actual}")
        self.file = file
        self.expected = expected
        self.actual = actual


class InvalidManifest(ModelStoreError):
    """A manifest that is intact but does not describe a model that this code can serve."""


class InvalidWeights(ModelStoreError):
    """Tensors that do not fit the architecture, or that no model should be served with."""


class InvalidAliases(ModelStoreError):
    """An aliases.json that does not map names to names."""
