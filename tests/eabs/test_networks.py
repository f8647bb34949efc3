from itertools import pairwise

import torch
from torch import nn

from eabs.architecture import PRESETS
from eabs.networks import EABS, sample


def plain_decoder(model: EABS, class_index: int) -> nn.Sequential:
    """One class's decoder, built from PyTorch's own layers in Table 9's order."""
    architecture = model.architecture
    layers: list[nn.Module] = [nn.Linear(architecture.latent, architecture.decoder_linear)]
    layers[0].weight.copy_(model.decoders.linear_weight[class_index].T)
    layers[0].bias.copy_(model.decoders.linear_bias[class_index])
    layers += [nn.Dropout(architecture.dropout), nn.Unflatten(1, (architecture.decoder_linear, 1, 1))]
    channels = architecture.decoder_linear
    for index, spec in enumerate(architecture.decoder):
        last = index == len(architecture.decoder) - 1
        deconv = nn.ConvTranspose2d(channels, spec.channels, spec.kernel, spec.stride, spec.padding, bias=last)
        source = model.decoders.deconvs[index]
        deconv.weight.copy_(source.weight[class_index * channels : (class_index + 1) * channels])
        layers.append(deconv)
        own = slice(class_index * spec.channels, (class_index + 1) * spec.channels)
        if last:
            deconv.bias.copy_(source.bias[own])
            layers.append(nn.Sigmoid())
        else:
            norm = nn.BatchNorm2d(spec.channels)
            for name in ("weight", "bias", "running_mean", "running_var"):
                getattr(norm, name).copy_(getattr(model.decoders.norms[index], name)[own])
            layers += [norm, nn.ReLU()]
        channels = spec.channels
    return nn.Sequential(*layers).eval()


@torch.no_grad()
def test_the_grouped_decoders_are_ten_separate_decoders(preset_model: EABS) -> None:
    architecture = preset_model.architecture
    latents = torch.randn(4, architecture.latent, generator=torch.Generator().manual_seed(1))
    together = preset_model.decoders(latents)
    assert together.shape == (4, architecture.classes, *architecture.image)
    for index in (0, architecture.classes - 1):
        torch.testing.assert_close(together[:, index], plain_decoder(preset_model, index)(latents))


@torch.no_grad()
def test_one_latent_a_class_is_decoded_by_that_class(preset_model: EABS) -> None:
    architecture = preset_model.architecture
    latents = torch.randn(2, architecture.classes, architecture.latent)
    images = preset_model.decoders(latents)
    torch.testing.assert_close(images[:, 3], preset_model.decoders(latents[:, 3])[:, 3])


def test_encoder_layers_are_convolution_batchnorm_leaky_relu_and_a_dropout_at_the_end(
    preset_model: EABS,
) -> None:
    kinds = [type(module) for module in preset_model.encoder.features]
    assert kinds == [nn.Conv2d, nn.BatchNorm2d, nn.LeakyReLU] * 4 + [nn.Dropout, nn.Flatten]


def test_encoder_gives_a_mean_and_a_log_variance_a_latent_dimension(preset_model: EABS) -> None:
    images = torch.rand(2, *preset_model.architecture.image)
    mean, log_variance = preset_model.encoder(images)
    assert mean.shape == log_variance.shape == (2, preset_model.architecture.latent)


def test_discriminator_has_the_two_hidden_layers_of_table_9(preset_model: EABS) -> None:
    linears = [m for m in preset_model.discriminator.layers if isinstance(m, nn.Linear)]
    widths = (preset_model.architecture.latent, *preset_model.architecture.discriminator, 1)
    assert [(m.in_features, m.out_features) for m in linears] == list(pairwise(widths))
    assert preset_model.discriminator(torch.zeros(2, 3, widths[0])).shape == (2, 3)


def test_dropout_acts_after_the_decoders_linear_layer_in_training_only() -> None:
    torch.manual_seed(0)
    decoders = EABS(PRESETS["mnist"]).decoders
    latents = torch.randn(8, 10)
    decoders.eval()
    torch.testing.assert_close(decoders(latents), decoders(latents), rtol=0, atol=0)
    decoders.train()
    assert not torch.equal(decoders(latents), decoders(latents))


def test_a_sample_is_the_mean_plus_the_scaled_noise() -> None:
    mean, noise = torch.tensor([1.0, -2.0]), torch.tensor([0.5, 3.0])
    log_variance = torch.tensor([4.0, 9.0]).log()
    torch.testing.assert_close(sample(mean, log_variance, noise), torch.tensor([2.0, 7.0]))
