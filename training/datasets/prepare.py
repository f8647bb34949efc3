"""What `eabs data prepare` does: official files in, one verified file out."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from training.datasets.dataset import DatasetError
from training.datasets.load import read_official_files
from training.datasets.official_files import OFFICIAL_COUNTS, OFFICIAL_FILES, OPTIONAL_FOLDERS, OfficialFile
from training.datasets.prepared_file import Description, write_prepared
from training.datasets.source_files import SourceFiles
from training.datasets.verification import verify


@dataclass(frozen=True)
class MissingFile:
    """An official file that is not there, and the folder that it belongs in."""

    file: OfficialFile
    folder: Path


def missing_files(name: str, folder: Path) -> list[MissingFile]:
    """The official files of a data set that are not in the folder, nor anything instead of them.

    Raises:
        DatasetError: it has no official files.
    """
    if name not in OFFICIAL_FILES:
        raise DatasetError(f"data set {name!r} has no official files: expected one of {', '.join(OFFICIAL_FILES)}")
    missing = []
    for subfolder, official in OFFICIAL_FILES[name].items():
        if subfolder in OPTIONAL_FOLDERS and not (folder / subfolder).is_dir():
            continue
        files = SourceFiles(folder).below(subfolder)
        absent = [file for file in official if not any(files.has(one) for one in (file.name, *file.instead))]
        # Where some lie together with other sets' files already, the rest of them belongs there too.
        place = folder / subfolder if len(absent) == len(official) else files.folder
        missing += [MissingFile(file, place) for file in absent]
    return missing


def prepare(name: str, folder: Path, out: Path) -> Description:
    """Reads the official files in `folder`, compares them with the published ones, and writes `out`.

    Raises:
        DatasetError: the set is not known, a file is missing or malformed, or `out` cannot be written.
    """
    dataset, files = read_official_files(name, folder)
    official: Mapping[str, OfficialFile] = {
        known: file for file in files.official.values() for known in (file.name, *file.instead)
    }
    verifications = {source: verify(path, official.get(source)) for source, path in files.found.items()}
    return write_prepared(dataset, verifications, out)


def is_part(description: Description) -> bool:
    """Whether images are missing from the published set, as far as that is known."""
    whole = OFFICIAL_COUNTS.get(description.name)
    return whole is not None and whole != (description.splits["train"], description.splits["test"])
