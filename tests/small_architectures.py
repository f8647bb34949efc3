"""Networks that train, decode and answer in a small part of the time of Table 9's, for images of the same shapes."""

from eabs.architecture import Architecture, ConvLayer

SMALL_GREY = Architecture(
    image=(1, 28, 28),
    classes=10,
    latent=4,
    encoder=(ConvLayer(4, 5, 4, 1), ConvLayer(8, 4, 3, 0)),
    decoder_linear=8,
    decoder=(ConvLayer(8, 7, 1, 0), ConvLayer(4, 4, 4, 0), ConvLayer(1, 1, 1, 0)),
    discriminator=(16, 8),
)

SMALL_COLOUR = Architecture(
    image=(3, 32, 32),
    classes=10,
    latent=4,
    encoder=(ConvLayer(4, 5, 4, 1), ConvLayer(8, 4, 3, 0)),
    decoder_linear=8,
    decoder=(ConvLayer(8, 8, 1, 0), ConvLayer(4, 4, 4, 0), ConvLayer(3, 1, 1, 0)),
    discriminator=(16, 8),
)
