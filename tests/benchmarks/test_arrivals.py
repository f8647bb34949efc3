import torch

from benchmarks.arrivals import compare_arrivals
from eabs.inference import LatentInference
from eabs.settings import QuasiNewtonSettings
from tests.eabs.toy import TOY, random_model


def test_every_way_answers_every_image_of_every_load() -> None:
    model = random_model(TOY)
    found = compare_arrivals(
        lambda threads: LatentInference.prepare(model, beta=1.0, seed=0, candidates=8, threads=threads),
        torch.rand(6, 1, 8, 8),
        QuasiNewtonSettings(steps=3),
        threads=2,
        loads=(0.5,),
        seconds=0.3,
    )
    assert [result.way.split(",")[0].split(" of")[0] for result in found] == [
        "one batch", "small batches", "continuous", "continuous", "continuous",
    ]  # fmt: skip
    for result in found:
        assert result.p99_ms >= result.p50_ms > 0
        assert result.images_per_s > 0
