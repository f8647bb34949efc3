import pytest
import torch
from torch import Tensor, nn

from tests.training.attacks.small_network import draw_textures, small_network
from training.attacks.ball import Ball, Norm
from training.attacks.classifiers import margins
from training.attacks.square import Square
from training.attacks.squares import PROPOSALS, Draw, bump, placed

RADII: dict[Norm, float] = {"linf": 0.15, "l2": 1.0}
CASES = pytest.mark.parametrize("norm", list(RADII))


class Watchful(nn.Module):
    """A classifier that counts what it is asked, and has no gradient to give."""

    def __init__(self) -> None:
        super().__init__()
        self.base = small_network()
        self.asked: list[int] = []
        self.eval()

    def forward(self, images: Tensor) -> Tensor:
        assert not images.requires_grad
        self.asked.append(len(images))
        with torch.no_grad():
            logits: Tensor = self.base(images)
        return logits


def draws(count: int, seed: int = 0) -> Draw:
    generator = torch.Generator().manual_seed(seed)
    return lambda numbers: torch.rand(count, numbers, dtype=torch.float64, generator=generator)


@CASES
def test_it_finds_other_answers_without_a_gradient_and_asks_no_more_where_it_has(norm: Norm) -> None:
    network, (images, labels) = Watchful(), draw_textures(40, seed=2)
    ball = Ball.around(images, norm, RADII[norm])
    attacked = Square(queries=300)(network, images, labels, ball)
    before, after = (margins(network.base(x), labels) for x in (images, attacked))
    fallen = int((after <= -0.1 * before).sum())
    assert fallen >= 8
    # One look at the images as they are, the queries, and what is found at the end of the radius.
    assert len(network.asked) <= 1 + 300 + 2
    assert network.asked[0] == 40
    assert network.asked[-1] <= 40 - fallen + 2
    assert network.asked[1:] == sorted(network.asked[1:], reverse=True)


@CASES
def test_more_queries_leave_fewer_images_standing(norm: Norm) -> None:
    network, (images, labels) = small_network(), draw_textures(40, seed=2)
    ball = Ball.around(images, norm, RADII[norm])
    few, many = (
        int((network(Square(queries=queries)(network, images, labels, ball)).argmax(1) == labels).sum())
        for queries in (10, 500)
    )
    assert many < few


def test_squares_shrink_as_section_5_says_whatever_the_number_of_queries() -> None:
    for queries in (10_000, 1000):
        attack = Square(queries=queries, area=0.8)
        shares = [attack.area_at(round(share * queries)) for share in (0.0, 0.004, 0.04, 0.3, 0.9)]
        assert shares == [0.8 / halved for halved in (1, 2, 8, 64, 512)]


@pytest.mark.parametrize("side", [1, 2, 3, 5, 6])
def test_a_bump_has_length_1_and_two_halves_of_opposite_sign(side: int) -> None:
    found = bump(side)
    assert found.shape == (side, side)
    torch.testing.assert_close(torch.linalg.vector_norm(found), torch.ones((), dtype=torch.float64))
    assert (found[: side // 2] > 0).all()
    assert (found[side // 2 :] < 0).all()


def test_a_bump_is_highest_in_the_middle_of_its_half() -> None:
    upper = bump(6)[:3]
    assert upper.argmax() == 1 * 6 + 3
    # The sums of 1 / j^2 for j from 4, 3, 2 and 1 to 4.
    expected = torch.tensor([9, 25, 61, 205], dtype=torch.float64) / 205
    torch.testing.assert_close(upper[1, :4] / upper[1, 3], expected)


def test_a_pattern_is_placed_where_its_corner_is() -> None:
    found = placed(torch.tensor([[[1.0, 2.0], [3.0, 4.0]]]), torch.tensor([[2, 1]]), torch.zeros(1, 1, 4, 4))
    assert found[0, 0].tolist() == [[0, 0, 0, 0], [0, 0, 0, 0], [0, 1, 2, 0], [0, 3, 4, 0]]


@CASES
@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 7, 7), (1, 28, 28), (3, 32, 32), (1, 4, 4)])
def test_what_is_tried_lies_in_the_ball_and_uses_it_up(norm: Norm, shape: tuple[int, int, int]) -> None:
    images = 0.3 + 0.4 * torch.rand(6, *shape, generator=torch.Generator().manual_seed(1))
    ball = Ball(norm, torch.linspace(0.05, 0.25, 6, dtype=torch.float64))
    proposals = PROPOSALS[norm](images, ball, draws(6))
    found = proposals.first()
    for area in (0.8, 0.2, 0.05, 0.001):
        torch.testing.assert_close(ball.distances(images, found), ball.radii, rtol=1e-4, atol=0)
        assert (ball.distances(images, found) <= ball.radii).all()
        following = proposals.next(found, area)
        assert (following != found).flatten(1).any(1).all()
        found = following


def test_an_linf_square_changes_nothing_outside() -> None:
    images = torch.full((5, 2, 16, 16), 0.5)
    proposals = PROPOSALS["linf"](images, Ball.around(images, "linf", 0.1), draws(5))
    first = proposals.first()
    changed = (proposals.next(first, 0.1) != first).any(1)
    assert (changed.any(2).sum(1) <= 5).all()
    assert (changed.any(1).sum(1) <= 5).all()
