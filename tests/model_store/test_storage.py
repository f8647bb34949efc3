from pathlib import Path

import pytest

from model_store import ModelStore, ModelStoreError
from model_store.local_storage import LocalStorage
from model_store.remote_storage import RemoteStorage
from model_store.storage import storage_of


@pytest.mark.parametrize("form", ["path", "text", "file URL"])
def test_a_folder_is_a_store_on_this_machine(tmp_path: Path, form: str) -> None:
    root = {"path": tmp_path, "text": str(tmp_path), "file URL": f"file://{tmp_path}"}[form]

    storage = storage_of(root)

    assert isinstance(storage, LocalStorage)
    assert storage.location == str(tmp_path)


@pytest.mark.parametrize("url", ["s3://bucket/prefix", "memory://models", "gs://bucket"])
def test_a_url_is_a_remote_store(url: str) -> None:
    storage = storage_of(url)

    assert isinstance(storage, RemoteStorage)
    assert storage.location == url


@pytest.mark.parametrize("root", ["nowhere://models", "s3://"])
def test_a_root_that_cannot_be_opened_is_reported_when_it_is_used(root: str) -> None:
    store = ModelStore(root)

    with pytest.raises(ModelStoreError):
        store.names()
