"""Whatever text is taken for a name: it is one and stays below the root, or it is refused, and nothing else happens."""

import secrets
import string
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import fsspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eabs.networks import EABS
from model_store import InvalidName, ModelStore, UnknownModel, UnknownVersion
from model_store.local_storage import LocalStorage
from model_store.names import check_name, is_name, natural_key, path_below
from model_store.remote_folder import RemoteFolder
from model_store.remote_storage import RemoteStorage
from tests.model_store.small import ARCHITECTURE, small_draft

NAMES = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,63}", fullmatch=True)
# What reads like a path, an escape, a URL, a hidden file or a glob is tried more often than chance would.
PATHS = ["..", ".", "/", "\\", "//", "~", "*", "?", "[", "{", "::", "s3://", "$HOME", "%2e", "%00", "\0", "\n", " "]
FILES = ["aliases.json", "manifest.json", ".lock", ".publishing", "con", "a", "1", "-", "_"]
UNICODE = ["é", "İ", "\u2024", "\u202e", "\ud800"]
PIECES = st.sampled_from([*PATHS, *FILES, *UNICODE])
MODEL = EABS(ARCHITECTURE)
TEXTS = st.one_of(st.text(), NAMES, st.lists(PIECES, max_size=6).map("".join), st.text(string.printable, max_size=70))


@given(TEXTS)
def test_a_text_is_a_name_or_is_refused(text: str) -> None:
    try:
        assert check_name(text) == text
    except InvalidName:
        assert not is_name(text)
    else:
        assert set(text) <= set(string.ascii_lowercase + string.digits + "._-")
        assert text[0] not in "._-"
        assert len(text) <= 64


@given(TEXTS)
def test_no_path_leaves_a_folder(text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder, "store").resolve()
        try:
            path = path_below(root, text)
        except InvalidName:
            return
        assert path.is_relative_to(root)
        assert path != root


@given(TEXTS)
def test_no_object_is_written_outside_of_its_folder(text: str) -> None:
    memory = fsspec.filesystem("memory")
    top = secrets.token_hex(8)
    try:
        RemoteFolder(f"memory://{top}/store").replace(b"x", "shapes", text)
    except InvalidName:
        assert memory.find(top) == []
    else:
        assert memory.find(top) == [f"/{top}/store/shapes/{text}"]
        memory.rm(top, recursive=True)


def questions(store: ModelStore, text: str) -> list[Callable[[], object]]:
    """Everything that takes a name from a reader."""
    return [
        lambda: store.versions(text),
        lambda: store.aliases(text),
        lambda: store.resolve(text),
        lambda: store.load(text),
        lambda: store.load("shapes", text),
        lambda: store.manifest("shapes", text),
        lambda: store.verify("shapes", text),
    ]


@pytest.mark.parametrize("kind", ["folder", "memory"])
def test_readers_find_nothing_or_refuse_the_name(kind: str, tmp_path: Path) -> None:
    store = ModelStore(tmp_path / "store" if kind == "folder" else f"memory://{secrets.token_hex(8)}/store")
    store.publish(MODEL, small_draft(name="shapes"), version="published-version")

    @given(TEXTS.filter(lambda text: text not in ("shapes", "published-version")))
    def ask(text: str) -> None:
        expected = (UnknownModel, UnknownVersion) if is_name(text) else InvalidName
        for question in questions(store, text):
            with pytest.raises(expected):
                question()

    ask()


@given(TEXTS, TEXTS)
def test_what_is_added_to_a_folder_lies_below_it(name: str, version: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        storage = LocalStorage(Path(folder, "store"))
        try:
            with storage.writing(check_name(name)):
                storage.add(name, check_name(version), {"manifest.json": b"m"})
        except InvalidName:
            assert not (is_name(name) and is_name(version))
        files = {str(path.relative_to(folder)) for path in Path(folder).rglob("*") if path.is_file()}
        assert files - {f"store/{name}/.lock"} <= {f"store/{name}/{version}/manifest.json"}


@given(TEXTS, TEXTS)
def test_what_is_added_to_a_url_lies_below_it(name: str, version: str) -> None:
    memory = fsspec.filesystem("memory")
    top = secrets.token_hex(8)
    storage = RemoteStorage(f"memory://{top}/store")
    try:
        storage.add(check_name(name), check_name(version), {"manifest.json": b"m"})
    except InvalidName:
        assert memory.find(top) == []
    else:
        assert memory.find(top) == [f"/{top}/store/{name}/{version}/manifest.json"]
        memory.rm(top, recursive=True)


@given(TEXTS.filter(lambda text: text not in ("1", "2")))
@settings(max_examples=30)
def test_publishing_under_any_name_is_refused_or_done(text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = ModelStore(Path(folder, "store"))
        for attempt in (
            lambda: store.publish(MODEL, small_draft(), version=text),
            lambda: store.publish(MODEL, small_draft(), version="1"),
            lambda: store.set_alias("shapes", f"to-{text}"[:64], "1"),
        ):
            with suppress(InvalidName):
                attempt()
        assert store.versions("shapes") == sorted(filter(is_name, {"1", text}), key=natural_key)
        written = {path.relative_to(folder).parts[:2] for path in Path(folder).rglob("*") if path.is_file()}
        assert written == {("store", "shapes")}
