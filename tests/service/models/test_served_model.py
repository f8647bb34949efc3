import gc
import weakref
from pathlib import Path

import torch

from model_store import ModelStore
from service.models.reference import ModelReference
from service.models.served_model import load_model, warm_up


def test_a_model_that_nobody_serves_is_freed_without_a_search_for_garbage(store_root: Path) -> None:
    store, reference = ModelStore(store_root), ModelReference("mnist")
    model = load_model(store, reference, device=torch.device("cpu"), cache_dir=None, threads=2)
    warm_up(model, batch_size=4)
    parts = (model.classifiers, model.classifiers.latent, model.classifiers.bank, model.classifiers.latent.decoders)
    alive = [weakref.ref(part) for part in parts]
    gc.collect()
    gc.disable()
    try:
        del model, parts
        assert [part() for part in alive] == [None] * 4
    finally:
        gc.enable()
