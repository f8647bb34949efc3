"""The reconstruction cost c of Ju & Wagner (AISec 2020): the squared L2 distance over all pixels."""

from torch import Tensor


def reconstruction_costs(images: Tensor, reconstructions: Tensor) -> Tensor:
    """c(x, x') = ||x - x'||_2^2 summed over channels and pixels: (B, C, H, W), (B, K, C, H, W) to (B, K)."""
    return (images.unsqueeze(1) - reconstructions).square().flatten(2).sum(2)


def pairwise_costs(images: Tensor, reconstructions: Tensor) -> Tensor:
    """c between every image and every reconstruction in the batch.

    Args:
        images: (B, C, H, W).
        reconstructions: (N, K, C, H, W).

    Returns:
        (B, N, K): entry (i, j, k) is ||x_i - G_k(z_j)||_2^2.
    """
    x = images.flatten(1)
    g = reconstructions.flatten(2).to(x.dtype)
    products = (x @ g.flatten(0, 1).T).view(len(x), *g.shape[:2])
    return x.square().sum(1)[:, None, None] - 2 * products + g.square().sum(2)
