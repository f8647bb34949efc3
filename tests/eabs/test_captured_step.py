from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from eabs.captured_step import CapturedSteps, Replay
from eabs.decoding import FoldedDecoders
from eabs.descent import Descent, Start
from eabs.inference import LatentInference
from eabs.networks import EABS
from eabs.penalty import FoldedDiscriminator
from eabs.settings import QuasiNewtonSettings

SETTINGS = QuasiNewtonSettings(steps=12, starts=2, tolerance=1e-4, full_steps=2, patience=4.0)


def call_again(work: Callable[[], None]) -> Replay:
    """What capturing a graph amounts to, for a CPU: the work was run before, and is run again when replayed."""
    work()
    return work


@pytest.fixture(scope="module")
def inference(toy: EABS) -> LatentInference:
    return LatentInference.prepare(toy, beta=1.0, seed=0, candidates=50)


def run(descent: Descent, parts: list[tuple[Tensor, Start]]) -> dict[int, tuple[Tensor, Tensor]]:
    """Admits a part, makes two steps, admits the next, and so on to the end; scores and latents by ticket."""
    answers = {}
    while parts or len(descent):
        if parts:
            descent.admit(*parts.pop(0))
        for _ in range(2):
            if len(descent) and (found := descent.step()) is not None:
                answers |= dict(zip(found.tickets, zip(found.scores, found.latents, strict=True), strict=True))
    return answers


def test_captured_steps_find_what_plain_steps_find_while_images_come_and_go(
    toy: EABS, inference: LatentInference, toy_images: tuple[Tensor, Tensor]
) -> None:
    images = toy_images[0][:9]
    decoders, discriminator = FoldedDecoders.fold(toy.decoders), FoldedDiscriminator(toy.discriminator, 1.0)
    captured = CapturedSteps(decoders, discriminator, call_again)
    with torch.inference_mode():
        parts = [(part, inference.start(part, SETTINGS)) for part in images.split(2)]
        plain = run(Descent(decoders, discriminator, inference.metric, SETTINGS), list(parts))
        found = run(Descent(decoders, discriminator, inference.metric, SETTINGS, captured), list(parts))
        again = run(Descent(decoders, discriminator, inference.metric, SETTINGS, captured), list(parts))
    assert sorted(found) == sorted(plain) == list(range(9))
    for ticket, (scores, _) in plain.items():
        torch.testing.assert_close(found[ticket][0], scores, rtol=1e-3, atol=1e-2)
        torch.testing.assert_close(again[ticket][0], found[ticket][0], rtol=1e-3, atol=1e-2)


def test_two_descents_never_share_a_captured_step(
    toy: EABS, inference: LatentInference, toy_images: tuple[Tensor, Tensor]
) -> None:
    decoders, discriminator = FoldedDecoders.fold(toy.decoders), FoldedDiscriminator(toy.discriminator, 1.0)
    captured = CapturedSteps(decoders, discriminator, call_again)
    settings = QuasiNewtonSettings(steps=6)
    with torch.inference_mode():
        first, second = (Descent(decoders, discriminator, inference.metric, settings, captured) for _ in range(2))
        one, other = toy_images[0][:2], toy_images[0][2:4]
        first.admit(one, inference.start(one, settings))
        second.admit(other, inference.start(other, settings))
        answers: list[Tensor] = []
        while len(first) or len(second):
            for descent in (first, second):
                if len(descent) and (found := descent.step()) is not None:
                    answers.append(found.scores)
    expected = inference.infer(toy_images[0][:4], settings).scores
    torch.testing.assert_close(torch.cat(answers), expected, rtol=1e-3, atol=1e-2)
