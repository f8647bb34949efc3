"""Where the images of a run come from."""

from pathlib import Path

from service.bulk.errors import InputError
from service.bulk.sources.folder import Folder
from service.bulk.sources.npz import Npz
from service.bulk.sources.parquet import Parquet
from service.bulk.sources.source import Item, Source, Unreadable

__all__ = ["Item", "Source", "Unreadable", "open_source"]


def open_source(path: Path) -> Source:
    """The images of a folder, an .npz or a .parquet.

    Raises:
        InputError: it is none of them, or holds no images as that kind should.
    """
    if path.is_dir():
        return Folder(path)
    kinds: dict[str, type[Npz] | type[Parquet]] = {".npz": Npz, ".parquet": Parquet}
    kind = kinds.get(path.suffix.lower())
    if kind is None or not path.is_file():
        raise InputError(f"expected a folder, an .npz or a .parquet file, got {path}")
    return kind(path)
