import pytest
import torch
from torch import Tensor

from tests.training.attacks.counting import Counting
from tests.training.attacks.small_network import draw_textures, small_network
from training.attacks.apgd import APGD, checkpoints, climb
from training.attacks.ball import Ball, Norm
from training.attacks.losses import logits_ratio
from training.attacks.pgd import PGD

# Where about a half of the images fall.
RADII: dict[Norm, float] = {"linf": 0.15, "l2": 0.8}
CASES = pytest.mark.parametrize("norm", list(RADII))


def standing(attack: APGD | PGD, norm: Norm) -> int:
    """How many images keep their label."""
    network, (images, labels) = small_network(), draw_textures(80, seed=2)
    attacked = attack(network, images, labels, Ball.around(images, norm, RADII[norm]))
    return int((network(attacked).argmax(1) == labels).sum())


def test_the_checkpoints_are_those_of_the_paper() -> None:
    assert checkpoints(100) == [22, 41, 57, 70, 80, 87, 93, 99]


@CASES
@pytest.mark.parametrize("attack", [APGD(steps=60), APGD(loss="targeted", steps=20, targets=3)])
def test_it_is_as_strong_as_projected_gradient_descent_of_the_same_cost(norm: Norm, attack: APGD) -> None:
    left = standing(PGD(steps=60, restarts=1), norm)
    assert 10 <= left <= 70
    # Of 80 images, one or two hang on where a run happens to end.
    assert standing(attack, norm) <= left + 2


@CASES
def test_all_targets_leave_fewer_images_standing_than_the_nearest_alone(norm: Norm) -> None:
    one, all_of_them = (standing(APGD(loss="targeted", steps=30, targets=targets), norm) for targets in (1, 3))
    assert all_of_them <= one


@CASES
def test_a_climb_ends_at_the_highest_place_that_it_has_seen(norm: Norm) -> None:
    network, (images, labels) = small_network(), draw_textures(10, seed=3)
    seen: list[Tensor] = []

    def goal(logits: Tensor) -> Tensor:
        values = logits_ratio(logits, labels)
        seen.append(values.detach())
        return values

    ball = Ball.around(images, norm, RADII[norm])
    found = climb(network, images, ball, start=images, goal=goal, steps=30)
    assert len(seen) == 31
    assert torch.equal(logits_ratio(network(found), labels), torch.stack(seen).amax(0))
    assert (ball.distances(images, found) <= ball.radii).all()


def test_only_the_first_run_begins_at_the_images_themselves() -> None:
    network, (images, labels) = Counting(small_network()), draw_textures(8, seed=4)
    APGD(steps=1, restarts=3)(network, images, labels, Ball.around(images, "l2", 0.05))
    # Once to see whether they are answered right, and once as a start.
    assert sum(torch.equal(batch, images) for batch in network.asked) == 2


def test_without_a_gradient_nothing_moves() -> None:
    network, (images, labels) = (
        torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 4)),
        draw_textures(4, seed=5),
    )
    for parameter in network.parameters():
        parameter.data.zero_()
    ball = Ball.around(images, "l2", 0.5)
    assert torch.equal(APGD(steps=5)(network.eval(), images, labels, ball), images)
