"""Class-specific networks against K separate ones, made of PyTorch's own layers."""

import copy

import pytest
import torch
from torch import Tensor, nn

from eabs.architecture import PRESETS, Architecture
from eabs.by_class import ByClass
from eabs.class_networks import ClassBatchNorm2d, ClassDecoders, ClassDiscriminators, ClassEncoders
from eabs.networks import Discriminator, Encoder
from tests.eabs.test_networks import plain_decoder
from tests.eabs.toy import TOY

LABELS = torch.tensor([2, 0, 2, 2, 0, 2, 0])  # class 1 has no image


@pytest.fixture(params=["toy", "mnist"])
def architecture(request: pytest.FixtureRequest) -> Architecture:
    """Without dropout, which two networks would draw differently."""
    found = TOY if request.param == "toy" else PRESETS["mnist"].with_classes(3)
    return Architecture(**(vars(found) | {"dropout": 0.0}))


@torch.no_grad()
def plain_encoder(encoders: ClassEncoders, k: int) -> Encoder:
    """One class's encoder, in training mode."""
    encoder = Encoder(encoders.architecture)
    convs = [module for module in encoder.features if isinstance(module, nn.Conv2d)]
    norms = [module for module in encoder.features if isinstance(module, nn.BatchNorm2d)]
    for conv, source in zip(convs, encoders.convs, strict=True):
        conv.weight.copy_(source.weight[k * conv.out_channels : (k + 1) * conv.out_channels])
    for norm, source in zip(norms, encoders.norms, strict=True):
        for name in ("weight", "bias", "running_mean", "running_var"):
            getattr(norm, name).copy_(of_class(getattr(source, name), k))
    for head, source in ((encoder.mean, encoders.mean), (encoder.log_variance, encoders.log_variance)):
        head.weight.copy_(source.weight[k].T)
        head.bias.copy_(source.bias[k])
    return encoder.train()


def of_class(channels: Tensor, k: int) -> Tensor:
    return channels.chunk(3)[k]


def test_in_training_every_encoder_sees_and_remembers_its_own_classs_images_alone(architecture: Architecture) -> None:
    torch.manual_seed(0)
    encoders = ClassEncoders(architecture).train()
    plain = [plain_encoder(encoders, k) for k in range(3)]
    images = torch.rand(7, *architecture.image)
    mean, log_variance = encoders.own(images, LABELS)
    for k in (0, 2):
        expected_mean, expected_log_variance = plain[k](images[k == LABELS])
        torch.testing.assert_close(mean[k == LABELS], expected_mean, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(log_variance[k == LABELS], expected_log_variance, rtol=1e-4, atol=1e-4)
    for k in range(3):
        norms = [module for module in plain[k].features if isinstance(module, nn.BatchNorm2d)]
        for norm, found in zip(norms, encoders.norms, strict=True):
            for name in ("running_mean", "running_var"):
                torch.testing.assert_close(of_class(getattr(found, name), k), getattr(norm, name))


def test_an_images_gradient_does_not_reach_another_classs_encoder(architecture: Architecture) -> None:
    torch.manual_seed(0)
    encoders = ClassEncoders(architecture).train()
    images = torch.rand(7, *architecture.image, requires_grad=True)
    mean, _ = encoders.own(images, LABELS)
    mean[LABELS == 2].square().sum().backward()
    assert images.grad is not None
    assert (images.grad[LABELS == 0] == 0).all()
    first = encoders.convs[0].weight.grad
    assert isinstance(first, Tensor)
    assert (of_class(first, 0) == 0).all()
    assert (of_class(first, 2) != 0).any()


def test_every_encoder_encodes_every_image_as_inference_sees_it(architecture: Architecture) -> None:
    torch.manual_seed(0)
    encoders = ClassEncoders(architecture).train()
    encoders.own(torch.rand(7, *architecture.image), LABELS)
    before = copy.deepcopy(encoders.state_dict())
    images = torch.rand(4, *architecture.image)
    mean, log_variance = encoders(images)
    for k in range(3):
        expected = plain_encoder(encoders, k).eval()(images)
        torch.testing.assert_close(mean[:, k], expected[0], rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(log_variance[:, k], expected[1], rtol=1e-4, atol=1e-4)
    assert all(torch.equal(tensor, before[name]) for name, tensor in encoders.state_dict().items())


@torch.no_grad()
def test_in_training_every_decoder_sees_the_latents_of_its_own_class_alone(architecture: Architecture) -> None:
    torch.manual_seed(0)
    model = nn.Module()
    model.architecture, model.decoders = architecture, ClassDecoders(architecture).train()
    plain = [plain_decoder(model, k).train() for k in range(3)]  # type: ignore[arg-type]
    latents = torch.randn(7, architecture.latent)
    found = model.decoders.own(latents, LABELS)
    for k in (0, 2):
        torch.testing.assert_close(found[k == LABELS], plain[k](latents[k == LABELS]), rtol=1e-4, atol=1e-4)


def test_in_evaluation_an_images_own_decoder_is_that_of_all(architecture: Architecture) -> None:
    torch.manual_seed(0)
    decoders = ClassDecoders(architecture).eval()
    latents = torch.randn(7, architecture.latent)
    torch.testing.assert_close(decoders.own(latents, LABELS), decoders(latents)[torch.arange(7), LABELS])


def test_a_lone_value_a_channel_is_normalised_to_the_bias() -> None:
    norm = ClassBatchNorm2d(2, 3).train()
    found = norm(torch.randn(1, 6, 1, 1), ByClass(torch.tensor([1]), 3))
    assert torch.equal(found[:, 2:4], torch.zeros(1, 2, 1, 1))
    assert all(tensor.isfinite().all() for tensor in norm.state_dict().values())


@torch.no_grad()
def test_discriminators_are_separate_ones(architecture: Architecture) -> None:
    discriminators = ClassDiscriminators(architecture)
    latents = torch.randn(4, 3, architecture.latent)
    found = discriminators(latents)
    for k in range(3):
        plain = Discriminator(architecture)
        linears = [module for module in plain.layers if isinstance(module, nn.Linear)]
        for linear, source in zip(linears, discriminators.layers(), strict=True):
            linear.weight.copy_(source.weight[k].T)
            linear.bias.copy_(source.bias[k])
        torch.testing.assert_close(found[:, k], plain(latents[:, k]))
    torch.testing.assert_close(discriminators(latents[:, 0])[:, 0], found[:, 0])
