"""The adaptive gradient of attacks on analysis-by-synthesis, equation (8) of Ju & Wagner (AISec 2020)."""

from torch import Tensor


def adaptive_gradient(images: Tensor, reconstructions: Tensor) -> Tensor:
    """d l_k / d x = 2 (x - G_k(z_k*)) for every class, the optimisation of z excluded.

    Args:
        images: (B, C, H, W).
        reconstructions: (B, K, C, H, W), each class's best.

    Returns:
        (B, K, C, H, W).
    """
    return 2 * (images.unsqueeze(1) - reconstructions)
