from pathlib import Path

import pytest

from training.datasets import CLASS_LABELS, DatasetError, load_dataset


def test_an_unknown_set_is_refused_with_the_known_ones(mnist_folder: Path) -> None:
    with pytest.raises(DatasetError, match="'cifar': expected one of mnist, fashion_mnist"):
        load_dataset("cifar", mnist_folder)


@pytest.mark.parametrize("name", CLASS_LABELS)
def test_an_empty_folder_is_refused_with_the_first_file_that_is_missing(name: str, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"no such file.*expected the official files in that folder"):
        load_dataset(name, tmp_path)


def test_a_missing_file_is_told_with_where_it_can_be_had(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"http://ufldl\.stanford\.edu/housenumbers/train_32x32\.mat"):
        load_dataset("svhn", tmp_path)
