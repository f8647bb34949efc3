import torch

from training.attacks.seeded import seeded


def test_what_is_drawn_in_a_seeded_block_repeats_and_leaves_no_trace() -> None:
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    with seeded(0, torch.device("cpu")):
        first = torch.rand(2)
    assert torch.equal(torch.rand(2), expected)
    with seeded(0, torch.device("cpu")):
        assert torch.equal(torch.rand(2), first)
