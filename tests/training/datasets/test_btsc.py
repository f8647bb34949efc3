from pathlib import Path

import numpy as np
import pytest

from tests.training.datasets.official_files import Sign, btsc_arrays, write_btsc
from training.datasets import DatasetError
from training.datasets.btsc import read_btsc
from training.datasets.source_files import SourceFiles

IN_ARCHIVES, IN_ARRAYS = [Sign(0)], [Sign(1)]


def test_the_official_archives_come_before_the_arrays(tmp_path: Path) -> None:
    write_btsc(tmp_path, IN_ARCHIVES, IN_ARCHIVES)
    np.savez(tmp_path / "btsc.npz", **btsc_arrays(IN_ARRAYS, IN_ARRAYS))
    files = SourceFiles(tmp_path)
    assert read_btsc(files)[0].labels.tolist() == [0]
    assert files.hashes.keys() == {"BelgiumTSC_Training.zip", "BelgiumTSC_Testing.zip"}


def test_the_arrays_are_read_where_an_archive_is_missing(tmp_path: Path) -> None:
    write_btsc(tmp_path, IN_ARCHIVES, IN_ARCHIVES)
    (tmp_path / "BelgiumTSC_Testing.zip").unlink()
    np.savez(tmp_path / "btsc.npz", **btsc_arrays(IN_ARRAYS, IN_ARRAYS))
    assert read_btsc(SourceFiles(tmp_path))[0].labels.tolist() == [1]


def test_without_either_the_archive_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"BelgiumTSC_Training\.zip: no such file"):
        read_btsc(SourceFiles(tmp_path))
