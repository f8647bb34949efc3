"""The shapes of a model: Table 9 of Ju & Wagner (AISec 2020), as data."""

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class ConvLayer:
    """One (transposed) convolution: output channels, square kernel, stride and padding in pixels."""

    channels: int
    kernel: int
    stride: int
    padding: int

    def convolved(self, size: int) -> int:
        """Side length, in pixels, that a convolution makes of an input of side `size`."""
        return (size + 2 * self.padding - self.kernel) // self.stride + 1

    def deconvolved(self, size: int) -> int:
        """Side length, in pixels, that a transposed convolution makes of an input of side `size`."""
        return (size - 1) * self.stride - 2 * self.padding + self.kernel


@dataclass(frozen=True)
class Architecture:
    """Everything needed to build the networks of one model, and nothing about its weights.

    `image` is (C, H, W) with H = W; `classes` is K; `latent` is M; `decoder_linear` is the width of the
    decoders' linear layer, the input channels of their first transposed convolution; `discriminator` holds
    the widths of the hidden layers of D.

    Raises:
        ValueError: if the layers do not lead from the image to one pixel's features and back.
    """

    image: tuple[int, int, int]
    classes: int
    latent: int
    encoder: tuple[ConvLayer, ...]
    decoder_linear: int
    decoder: tuple[ConvLayer, ...]
    discriminator: tuple[int, ...]
    dropout: float = 0.2

    def __post_init__(self) -> None:
        channels, height, width = self.image
        if height != width:
            raise ValueError(f"image: expected a square (C, H, W), got {self.image}")
        if self.classes < 2:
            raise ValueError(f"classes: expected at least 2, got {self.classes}")
        decoded = self.decoded_sizes[-1]
        if decoded != height or self.decoder[-1].channels != channels:
            raise ValueError(
                f"decoder: expected an output of {self.image}, got {(self.decoder[-1].channels, decoded, decoded)}"
            )

    @property
    def pixels(self) -> int:
        """C * H * W, the number of values in an image."""
        channels, height, width = self.image
        return channels * height * width

    @property
    def encoded_sizes(self) -> tuple[int, ...]:
        """Side length of the feature map after each of the encoder's convolutions."""
        sizes = [self.image[1]]
        for layer in self.encoder:
            sizes.append(layer.convolved(sizes[-1]))
        return tuple(sizes[1:])

    @property
    def encoder_features(self) -> int:
        """Number of features that the encoder hands to the two linear layers of Q(z|x)."""
        return self.encoder[-1].channels * self.encoded_sizes[-1] ** 2

    @property
    def decoded_sizes(self) -> tuple[int, ...]:
        """Side length of the feature map after each of the decoders' transposed convolutions."""
        sizes = [1]
        for layer in self.decoder:
            sizes.append(layer.deconvolved(sizes[-1]))
        return tuple(sizes[1:])

    def with_classes(self, classes: int) -> "Architecture":
        """The same networks for another number of classes."""
        return replace(self, classes=classes)

    def with_wide_start(self, factor: int) -> "Architecture":
        """The same networks with `factor` times the channels where decoders start from one pixel: in the linear layer
        and after the first transposed convolution."""
        first, *others = self.decoder
        wide = replace(first, channels=factor * first.channels)
        return replace(self, decoder_linear=factor * self.decoder_linear, decoder=(wide, *others))


def _layers(
    channels: tuple[int, ...], kernels: tuple[int, ...], strides: tuple[int, ...], paddings: tuple[int, ...]
) -> tuple[ConvLayer, ...]:
    return tuple(ConvLayer(*layer) for layer in zip(channels, kernels, strides, paddings, strict=True))


_GREY_28 = Architecture(
    image=(1, 28, 28),
    classes=10,
    latent=10,
    encoder=_layers((16, 32, 64, 64), (5, 5, 5, 4), (2, 2, 2, 1), (2, 2, 2, 1)),
    decoder_linear=32,
    decoder=_layers((32, 32, 16, 8, 1), (4, 5, 5, 4, 1), (1, 2, 2, 1, 1), (0, 0, 0, 0, 0)),
    discriminator=(256, 128),
)

_COLOUR_32 = Architecture(
    image=(3, 32, 32),
    classes=10,
    latent=16,
    encoder=_layers((16, 32, 64, 128), (5, 5, 5, 4), (2, 2, 2, 1), (2, 2, 2, 0)),
    decoder_linear=64,
    decoder=_layers((64, 64, 32, 16, 3), (4, 4, 4, 4, 1), (1, 2, 2, 2, 1), (0, 1, 1, 1, 0)),
    discriminator=(256, 128),
)

PRESETS: dict[str, Architecture] = {
    "mnist": _GREY_28,
    "fashion_mnist": _GREY_28,
    "supertraffic10": _COLOUR_32,
    "svhn": replace(
        _COLOUR_32,
        latent=40,
        encoder=_layers((32, 64, 128, 128), (5, 5, 5, 4), (2, 2, 2, 1), (2, 2, 2, 0)),
        discriminator=(512, 256),
    ),
}
