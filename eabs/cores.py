"""How many CPU cores this process may really use."""

import os
from pathlib import Path

_TOPOLOGY = Path("/sys/devices/system/cpu")
_QUOTA = Path("/sys/fs/cgroup/cpu.max")


def physical_cores(topology: Path = _TOPOLOGY, quota: Path = _QUOTA) -> int:
    """Physical cores that this process may run on: hyper-threads count once, a container's quota is kept.

    Args:
        topology: the kernel's CPU folder.
        quota: the cgroup's `cpu.max`: "<microseconds> <period>", or "max <period>".
    """
    allowed = sorted(os.sched_getaffinity(0))
    cores = {_siblings(topology / f"cpu{cpu}" / "topology" / "thread_siblings_list", cpu) for cpu in allowed}
    return max(1, min(len(cores), _quota_cores(quota, len(allowed))))


def _siblings(path: Path, cpu: int) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return str(cpu)


def _quota_cores(path: Path, unlimited: int) -> int:
    try:
        limit, period = path.read_text().split()
        return unlimited if limit == "max" else max(1, int(limit) // int(period))
    except (OSError, ValueError):
        return unlimited
