import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace

import pytest
import safetensors.torch
import torch
from torch import Tensor

from eabs.networks import EABS
from model_store import ModelStore
from model_store.checkpoint import model_from_bytes, weights_digest, weights_to_bytes
from model_store.errors import InvalidWeights
from model_store.manifest import WEIGHTS_FILE, ManifestDraft
from tests.model_store.small import ARCHITECTURE

BIAS = "decoders.linear_bias"
COUNTER = "decoders.norms.0.num_batches_tracked"

Change = Callable[[dict[str, Tensor]], None]


def test_a_loaded_model_has_the_weights_that_were_saved(model: EABS) -> None:
    model.encoder.features(torch.rand(4, 1, 8, 8))

    loaded = model_from_bytes(weights_to_bytes(model), ARCHITECTURE).state_dict()

    saved = {name: tensor for name, tensor in model.state_dict().items() if "num_batches" not in name}
    assert all(torch.equal(loaded[name], tensor) for name, tensor in saved.items())


def test_a_loaded_model_computes_what_the_saved_one_does(model: EABS) -> None:
    images, latents = torch.rand(4, 1, 8, 8), torch.randn(4, 2)
    loaded = model_from_bytes(weights_to_bytes(model), ARCHITECTURE)
    model.eval()

    for expected, actual in zip(model.encoder(images), loaded.encoder(images), strict=True):
        torch.testing.assert_close(actual, expected)
    torch.testing.assert_close(loaded.decoders(latents), model.decoders(latents))
    torch.testing.assert_close(loaded.discriminator(latents), model.discriminator(latents))


def test_a_loaded_model_is_frozen_and_in_eval_mode(model: EABS) -> None:
    loaded = model_from_bytes(weights_to_bytes(model), ARCHITECTURE)

    assert not any(module.training for module in loaded.modules())
    assert not any(parameter.requires_grad for parameter in loaded.parameters())


def test_a_loaded_model_is_on_the_device_that_was_asked_for(model: EABS) -> None:
    loaded = model_from_bytes(weights_to_bytes(model), ARCHITECTURE, device="meta")

    assert {tensor.device.type for tensor in loaded.state_dict().values()} == {"meta"}


@pytest.mark.cuda
def test_a_model_of_the_gpu_is_saved_as_one_of_the_cpu(model: EABS) -> None:
    data = weights_to_bytes(model)

    assert weights_to_bytes(model.to("cuda")) == data


def test_loading_draws_no_random_numbers(model: EABS) -> None:
    data = weights_to_bytes(model)
    before = torch.get_rng_state()

    model_from_bytes(data, ARCHITECTURE)

    assert torch.equal(torch.get_rng_state(), before)


def test_equal_weights_make_equal_bytes(model: EABS) -> None:
    assert weights_to_bytes(model) == weights_to_bytes(model.to(memory_format=torch.channels_last))


def test_a_model_and_its_published_version_share_a_digest(model: EABS, draft: ManifestDraft, store: ModelStore) -> None:
    manifest = store.publish(model, draft)

    assert weights_digest(model) == manifest.files[WEIGHTS_FILE]
    assert weights_digest(store.load(manifest.name).model) == manifest.files[WEIGHTS_FILE]


def test_other_weights_have_another_digest(model: EABS) -> None:
    before = weights_digest(model)
    with torch.no_grad():
        next(model.parameters()).view(-1)[0] += 1e-6

    assert weights_digest(model) != before


def test_batch_counters_are_not_saved(model: EABS) -> None:
    tensors = safetensors.torch.load(weights_to_bytes(model))

    assert not [name for name in tensors if name.endswith("num_batches_tracked")]
    assert {tensor.dtype for tensor in tensors.values()} == {torch.float32}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda tensors: tensors.pop(BIAS), f"missing {BIAS}"),
        (lambda tensors: tensors.update(extra=torch.zeros(1)), "unexpected extra"),
        (
            lambda tensors: tensors.update({COUNTER: torch.zeros((), dtype=torch.int64)}),
            f"unexpected {COUNTER}",
        ),
        (lambda tensors: tensors.update({BIAS: torch.zeros(2, 2)}), r"linear_bias: expected \(3, 4\), got \(2, 2\)"),
        (lambda tensors: tensors.update({BIAS: tensors[BIAS].double()}), "expected torch.float32, got torch.float64"),
        (lambda tensors: tensors.update({BIAS: tensors[BIAS].half()}), "expected torch.float32, got torch.float16"),
        (lambda tensors: tensors.update({BIAS: tensors[BIAS] / 0}), f"{BIAS}: expected finite"),
    ],
)
def test_tensors_that_are_not_the_architecture_s_are_named(model: EABS, change: Change, message: str) -> None:
    tensors = safetensors.torch.load(weights_to_bytes(model))
    change(tensors)

    with pytest.raises(InvalidWeights, match=message):
        model_from_bytes(safetensors.torch.save(tensors), ARCHITECTURE)


def test_all_wrong_tensors_are_named_at_once(model: EABS) -> None:
    tensors = safetensors.torch.load(weights_to_bytes(model))
    tensors["extra"] = tensors.pop(BIAS)

    with pytest.raises(InvalidWeights, match=f"shapes/1/weights: missing {BIAS}; unexpected extra"):
        model_from_bytes(safetensors.torch.save(tensors), ARCHITECTURE, file="shapes/1/weights")


def test_weights_of_another_architecture_are_refused(model: EABS) -> None:
    with pytest.raises(InvalidWeights, match=r"encoder.mean.weight: expected \(5, 24\), got \(2, 24\)"):
        model_from_bytes(weights_to_bytes(model), replace(ARCHITECTURE, latent=5))


@pytest.mark.parametrize("data", [b"", b"\x80\x04.", b"\xff" * 64, (2).to_bytes(8, "little") + b"[]"])
def test_bytes_that_are_no_safetensors_file_are_refused(data: bytes) -> None:
    with pytest.raises(InvalidWeights, match="expected a safetensors file"):
        model_from_bytes(data, ARCHITECTURE)


def test_every_truncation_of_a_file_is_refused(model: EABS) -> None:
    data = weights_to_bytes(model)

    for length in range(0, len(data), 97):
        with pytest.raises(InvalidWeights):
            model_from_bytes(data[:length], ARCHITECTURE)


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_weights_that_are_not_finite_are_not_saved(model: EABS, value: float) -> None:
    with torch.no_grad():
        model.decoders.linear_bias[0, 0] = value

    with pytest.raises(InvalidWeights, match=f"{BIAS}: expected finite"):
        weights_to_bytes(model)


def test_weights_of_another_type_are_not_saved(model: EABS) -> None:
    with pytest.raises(InvalidWeights, match=r"expected torch\.float32, got torch\.float16"):
        weights_to_bytes(model.half())


def test_loading_a_model_does_not_load_a_compiler() -> None:
    script = """
import sys
from model_store import BUNDLED, ModelStore
ModelStore(BUNDLED).load("mnist")
sys.exit("torch._dynamo" in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
