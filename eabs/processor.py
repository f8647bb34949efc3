"""What this machine's processor calls itself."""

import platform
from pathlib import Path

_CPUINFO = Path("/proc/cpuinfo")


def processor_name(cpuinfo: Path = _CPUINFO) -> str:
    """The CPU's model name, or what kind of machine it is where the system does not tell.

    Args:
        cpuinfo: the kernel's file about the processors.
    """
    if cpuinfo.exists():
        names = [line.split(":", 1)[1].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        if names:
            return names[0]
    return platform.processor() or platform.machine()
