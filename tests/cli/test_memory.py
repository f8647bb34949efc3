import subprocess
import sys

import pytest

PROGRAM = """
import resource, sys
import torch
from cli.memory import keep_freed_memory
if sys.argv[1] == "keep" and not keep_freed_memory():
    sys.exit(77)

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

def work():
    blocks = [torch.ones(2_000_000) for _ in range(3)]

for _ in range(10):
    work()
before = faults()
for _ in range(10):
    work()
print(faults() - before)
"""


def page_faults(mode: str) -> int:
    done = subprocess.run([sys.executable, "-c", PROGRAM, mode], capture_output=True, text=True, check=False)
    if done.returncode == 77:
        pytest.fail("expected glibc on the machines that test this")
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


def test_blocks_that_were_freed_are_not_mapped_again() -> None:
    assert page_faults("keep") < page_faults("leave") / 3
