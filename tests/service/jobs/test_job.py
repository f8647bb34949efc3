import torch

from service.jobs.job import rows_of


def test_a_row_that_is_kept_does_not_keep_its_batch() -> None:
    rows = rows_of(torch.arange(6.0).reshape(2, 3))
    assert [row.tolist() for row in rows] == [[0, 1, 2], [3, 4, 5]]
    assert all(row.base is None for row in rows)
