import torch

from eabs.by_class import ByClass


def test_every_image_has_a_place_in_its_classs_column_and_comes_back_from_it() -> None:
    labels = torch.tensor([2, 0, 2, 3, 2, 0])
    batch = torch.arange(1.0, 7.0)
    layout = ByClass(labels, 4)
    places = layout.spread(batch)
    assert places.tolist() == [[2, 0, 1, 4], [6, 0, 3, 0], [0, 0, 5, 0]]
    assert torch.equal(layout.taken, places > 0)
    assert torch.equal(layout.collect(places), batch)
    assert layout.counts.tolist() == [2, 0, 3, 1]


def test_gradients_flow_through_places() -> None:
    batch = torch.randn(5, 2, requires_grad=True)
    layout = ByClass(torch.tensor([1, 0, 1, 1, 0]), 3)
    (layout.spread(batch) * 3).sum().backward()
    assert batch.grad is not None
    assert torch.equal(batch.grad, torch.full((5, 2), 3.0))
