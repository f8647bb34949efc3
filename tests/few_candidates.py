"""The bundled model as it is, but for its candidates: with few of them it is made ready in no time."""

from pathlib import Path

from model_store import BUNDLED, ManifestDraft, ModelStore

CANDIDATES = 200


def publish_with_few_candidates(root: Path, *, with_bank: bool = False) -> Path:
    """Publishes the bundled model `mnist` in a store at `root`, which is returned; with its prototypes if asked."""
    loaded = ModelStore(BUNDLED).load("mnist")
    fields = {name: getattr(loaded.manifest, name) for name in ManifestDraft.model_fields}
    bank = loaded.prototypes if with_bank else None
    fields |= {"candidates": CANDIDATES, "prototypes": fields["prototypes"] if with_bank else None}
    draft = ManifestDraft.model_validate(fields)
    ModelStore(root).publish(loaded.model, draft, prototypes=bank, aliases=("production",))
    return root
