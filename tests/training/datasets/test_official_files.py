import re
from pathlib import Path

import pytest

from training.datasets import CLASS_LABELS
from training.datasets.official_files import OFFICIAL_FILES, official_files


def test_every_data_set_has_its_official_files() -> None:
    assert OFFICIAL_FILES.keys() == CLASS_LABELS.keys()


@pytest.mark.parametrize("name", OFFICIAL_FILES)
def test_every_file_has_a_place_that_ends_in_its_name(name: str) -> None:
    for file in official_files(name):
        assert file.urls
        assert all(url.startswith("http") and url.endswith(f"/{file.name}") for url in file.urls)


@pytest.mark.parametrize("name", OFFICIAL_FILES)
def test_every_place_is_in_the_documents(name: str) -> None:
    page = (Path(__file__).parents[3] / "docs" / "data.md").read_text()
    for file in official_files(name):
        assert f"`{file.name}`" in page
        assert all(f"`{url.removesuffix(file.name)}`" in page for url in file.urls)


@pytest.mark.parametrize("name", OFFICIAL_FILES)
def test_what_comes_without_encryption_has_a_published_hash(name: str) -> None:
    for file in official_files(name):
        assert file.md5 or all(url.startswith("https://") for url in file.urls), file.name


@pytest.mark.parametrize("name", OFFICIAL_FILES)
def test_no_two_files_share_a_hash(name: str) -> None:
    hashes = [one for file in official_files(name) for one in (file.md5, file.content_sha256) if one is not None]
    assert len(set(hashes)) == len(hashes)
    assert all(re.fullmatch(r"[0-9a-f]{32}|[0-9a-f]{64}", one) for one in hashes)
