import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from training.attacks.losses import cross_entropy, logits_ratio, targeted_logits_ratio

LABELS = torch.tensor([0, 1, 2, 3, 4, 0])


def draw_logits(classes: int = 5) -> Tensor:
    return 3 * torch.randn(6, classes, generator=torch.Generator().manual_seed(0))


def test_the_cross_entropy_rises_where_the_true_one_does_and_in_its_direction() -> None:
    logits = draw_logits().double().requires_grad_()
    true = F.cross_entropy(logits, LABELS, reduction="none")
    found = cross_entropy(logits, LABELS)
    torch.testing.assert_close(found.exp(), true.expm1())
    gradients = [torch.autograd.grad(values.sum(), logits, retain_graph=True)[0] for values in (found, true)]
    torch.testing.assert_close(*(F.normalize(gradient, dim=1) for gradient in gradients))


def test_the_cross_entropy_does_not_vanish_where_a_classifier_is_sure() -> None:
    logits = (torch.eye(5)[LABELS] * 1e4).requires_grad_()
    cross_entropy(logits, LABELS).sum().backward()
    assert logits.grad is not None
    assert (logits.grad.abs().sum(1) > 1).all()


def test_the_ratio_is_equation_6() -> None:
    logits = torch.tensor([[5.0, 4.0, 2.0, 1.0], [5.0, 4.0, 2.0, 1.0]])
    found = logits_ratio(logits, torch.tensor([0, 2]))
    assert found.tolist() == [-(5 - 4) / (5 - 2), -(2 - 5) / (5 - 2)]


def test_the_targeted_ratio_is_equation_7() -> None:
    logits = torch.tensor([[5.0, 4.0, 2.0, 1.0, 0.0]])
    found = targeted_logits_ratio(logits, torch.tensor([0]), torch.tensor([3]))
    assert found.tolist() == [-(5 - 1) / (5 - (2 + 1) / 2)]


@pytest.mark.parametrize("factor", [1e-3, 1e3])
def test_the_ratios_do_not_depend_on_how_sure_a_classifier_is(factor: float) -> None:
    logits, targets = draw_logits(), (LABELS + 1) % 5
    torch.testing.assert_close(logits_ratio(factor * logits, LABELS), logits_ratio(logits, LABELS))
    torch.testing.assert_close(
        targeted_logits_ratio(factor * logits, LABELS, targets), targeted_logits_ratio(logits, LABELS, targets)
    )


def test_with_too_few_classes_for_a_ratio_the_margin_itself_is_climbed() -> None:
    logits, labels = draw_logits(2), torch.tensor([0, 1, 0, 1, 0, 1])
    own, other = (logits.double().gather(1, column[:, None]).squeeze(1) for column in (labels, 1 - labels))
    assert torch.equal(logits_ratio(logits, labels), other - own)
    assert torch.equal(targeted_logits_ratio(logits, labels, 1 - labels), other - own)
