"""The bundled model as it is, but for its candidates: with few of them it is made ready in no time."""

from pathlib import Path

from model_store import BUNDLED, ManifestDraft, ModelStore

CANDIDATES = 200


def publish_with_few_candidates(root: Path) -> Path:
    """Publishes the bundled model `mnist` in a store at `root`, which is returned."""
    loaded = ModelStore(BUNDLED).load("mnist")
    fields = {name: getattr(loaded.manifest, name) for name in ManifestDraft.model_fields}
    draft = ManifestDraft.model_validate(fields | {"candidates": CANDIDATES, "prototypes": None})
    ModelStore(root).publish(loaded.model, draft, aliases=("production",))
    return root
