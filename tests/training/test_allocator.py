import subprocess
import sys

import pytest

FAULTS = """
import resource, sys
from training.allocator import keep_freed_memory
if sys.argv[1] == "keep":
    keep_freed_memory()
def use():
    memory = bytearray(2**26)
for _ in range(3):
    use()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    use()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def page_faults(how: str) -> int:
    """Of using 64 MB ten times over, once it has been used."""
    found = subprocess.run([sys.executable, "-c", FAULTS, how], capture_output=True, text=True, check=True)
    return int(found.stdout)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="it speaks of glibc")
def test_memory_that_was_freed_is_used_again_without_the_system() -> None:
    assert page_faults("keep") < 100 < page_faults("as it is")
