import torch

from benchmarks.starts import compare_starts
from tests.eabs.toy import TOY, random_model


def test_whole_images_choose_the_best_start_and_fewer_components_lose_by_comparison() -> None:
    found = compare_starts(
        random_model(TOY, contrast=3.0),
        torch.rand(6, 1, 8, 8, generator=torch.Generator().manual_seed(1)),
        beta=1.0,
        seed=0,
        candidates=40,
        counts=(2,),
        threads=1,
    )
    few, whole = found
    assert (few.components, whole.components) == (2, 64)
    assert (whole.same, whole.loss) == (1, 0)
    assert few.same < 1
    assert few.loss > 0
    assert few.megabytes < whole.megabytes
