import torch

from benchmarks.certificates import time_certificates
from eabs.certificates.smoothing import SmoothingSettings
from eabs.inference import LatentInference
from eabs.prototypes import PrototypeBank
from tests.eabs.toy import TOY, random_model

FEW = SmoothingSettings(n0=5, n=20)


def test_every_certificate_of_the_model_is_timed() -> None:
    inference = LatentInference.prepare(random_model(TOY), beta=1.0, seed=0, candidates=16)
    bank = PrototypeBank.of_images(torch.rand(6, 1, 8, 8), torch.zeros(6), torch.tensor([0, 0, 1, 1, 2, 2]))
    images = torch.rand(2, 1, 8, 8)
    threads = torch.get_num_threads()
    found = time_certificates(inference, bank, images, smoothing=FEW, repeats=1)
    names = [timing.answer for timing in found]
    assert names == ["nearest prototype", "finite-bank", "its bracket", "exact-inference", "smoothing, n = 20"]
    assert all(timing.ms_alone > 0 and timing.ms_together > 0 for timing in found)
    assert torch.get_num_threads() == threads
    without = time_certificates(inference, None, images, smoothing=FEW, repeats=1)
    assert [timing.answer for timing in without] == names[3:]
