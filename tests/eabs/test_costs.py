import torch

from eabs.costs import pairwise_costs, reconstruction_costs


def test_pairwise_costs_are_the_squared_distances_of_every_pair() -> None:
    images, reconstructions = torch.rand(3, 1, 8, 8), torch.rand(4, 3, 1, 8, 8)
    found = pairwise_costs(images, reconstructions)
    for j in range(4):
        expected = reconstruction_costs(images, reconstructions[j].expand(3, -1, -1, -1, -1))
        torch.testing.assert_close(found[:, j], expected)
