"""What an attack is."""

from collections.abc import Callable

from torch import Tensor, nn

from training.attacks.ball import Ball

Attack = Callable[[nn.Module, Tensor, Tensor, Ball], Tensor]
"""(classifier, images, labels, ball) to attacked images, each the attack's best try at another answer than its label.

- classifier: images (N, C, H, W) to logits (N, K), in eval mode, on the images' device.
- images: (N, C, H, W) float32 in [0, 1].
- labels: (N,) int64, the answers that are to change.
- ball: how far each image may be moved.

The attacked images are float32, in [0, 1] and, measured in float64, inside the ball, whether the answer changes or not.
An attack for one norm raises a ValueError for a ball of the other.
"""
