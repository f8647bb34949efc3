import pytest
import torch

from eabs.blocks import in_blocks


@pytest.mark.parametrize("count", [1, 7, 8, 9, 40])
def test_every_row_gets_its_result_and_every_product_has_the_same_height(count: int) -> None:
    rows, matrix = torch.randn(3, count, 5), torch.randn(3, 5, 2)
    heights = []

    def work(block: torch.Tensor) -> torch.Tensor:
        heights.append(block.shape[1])
        return torch.bmm(block, matrix)

    torch.testing.assert_close(in_blocks(work, rows, 8), torch.bmm(rows, matrix))
    assert set(heights) == {8}


def test_a_rows_result_is_bitwise_the_same_among_any_number_of_rows() -> None:
    rows, matrix = torch.randn(40, 10), torch.randn(10, 512)
    together = in_blocks(lambda block: block @ matrix, rows, 16)
    for count in range(1, 40):
        assert torch.equal(in_blocks(lambda block: block @ matrix, rows[:count], 16), together[:count])
