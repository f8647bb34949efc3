"""Ways to compute all K decoders at once, timed: why `eabs.decoding` is written as it is."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.machine import best_seconds
from eabs.architecture import Architecture, ConvLayer
from eabs.decoding import FoldedDecoders
from eabs.networks import EABS


@dataclass(frozen=True)
class LayoutTiming:
    """Milliseconds an image, for the transposed convolutions of all classes, forward and back to the input."""

    layout: str
    forward_ms: float
    backward_ms: float


def time_layouts(architecture: Architecture, batch: int) -> list[LayoutTiming]:
    """Times every layout on random weights, and then the decoders as the product runs them."""
    timings = []
    for layout, memory_format in (("contiguous", torch.contiguous_format), ("channels-last", torch.channels_last)):
        for grouped in (False, True):
            forward = backward = 0.0
            size, channels = 1, architecture.decoder_linear
            for layer in architecture.decoder:
                works = _layer_works(layer, architecture.classes, channels, size, batch, memory_format, grouped=grouped)
                with torch.inference_mode():
                    forward += best_seconds(works[0])
                    backward += best_seconds(works[1])
                size, channels = layer.deconvolved(size), layer.channels
            name = f"{'one grouped' if grouped else f'{architecture.classes} separate'}, {layout}"
            timings.append(LayoutTiming(name, 1e3 * forward / batch, 1e3 * backward / batch))
    timings.append(_time_product(architecture, batch))
    return timings


def _layer_works(
    layer: ConvLayer,
    classes: int,
    channels: int,
    size: int,
    batch: int,
    memory_format: torch.memory_format,
    *,
    grouped: bool,
) -> tuple[Callable[[], object], Callable[[], object]]:
    groups, copies = (classes, 1) if grouped else (1, classes)
    out = layer.deconvolved(size)

    def tensors(*shape: int) -> list[Tensor]:
        return [torch.randn(shape).to(memory_format=memory_format) for _ in range(copies)]

    inputs, gradients = tensors(batch, groups * channels, size, size), tensors(batch, groups * layer.channels, out, out)
    weights = tensors(groups * channels, layer.channels, layer.kernel, layer.kernel)
    stride, padding = layer.stride, layer.padding

    def forward() -> object:
        return [
            F.conv_transpose2d(x, w, None, stride, padding, groups=groups) for x, w in zip(inputs, weights, strict=True)
        ]

    def backward() -> object:
        return [F.conv2d(g, w, None, stride, padding, groups=groups) for g, w in zip(gradients, weights, strict=True)]

    return forward, backward


def _time_product(architecture: Architecture, batch: int) -> LayoutTiming:
    decoders = FoldedDecoders.fold(EABS(architecture).eval().decoders)
    latents = torch.randn(batch, architecture.classes, architecture.latent)
    with torch.inference_mode():
        images, pullback = decoders.decode_with_pullback(latents)
        gradient = torch.randn_like(images)
        forward = best_seconds(lambda: decoders.decode(latents))
        backward = best_seconds(lambda: pullback(gradient))
    return LayoutTiming("eabs.decoding, activations included", 1e3 * forward / batch, 1e3 * backward / batch)
