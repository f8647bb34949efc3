from eabs.networks import EABS
from model_store.manifest import ManifestDraft
from model_store.store import ModelStore


def test_a_published_model_loads(store: ModelStore, model: EABS, draft: ManifestDraft) -> None:
    manifest = store.publish(model, draft, aliases=["production"])

    loaded = store.load("shapes")

    assert loaded.manifest == manifest
    assert not loaded.model.training
