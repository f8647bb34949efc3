import os
from pathlib import Path

from eabs.cores import physical_cores


def topology(root: Path, siblings: str) -> Path:
    for cpu in os.sched_getaffinity(0):
        folder = root / f"cpu{cpu}" / "topology"
        folder.mkdir(parents=True)
        (folder / "thread_siblings_list").write_text(siblings.format(cpu))
    return root


def test_hyper_threads_of_one_core_count_once(tmp_path: Path) -> None:
    assert physical_cores(topology(tmp_path, "0-63\n"), tmp_path / "none") == 1


def test_every_core_counts(tmp_path: Path) -> None:
    assert physical_cores(topology(tmp_path, "{}\n"), tmp_path / "none") == len(os.sched_getaffinity(0))


def test_a_containers_quota_is_kept(tmp_path: Path) -> None:
    quota = tmp_path / "cpu.max"
    quota.write_text("100000 100000\n")
    assert physical_cores(topology(tmp_path, "{}\n"), quota) == 1


def test_no_quota_and_no_topology_leave_every_allowed_cpu(tmp_path: Path) -> None:
    quota = tmp_path / "cpu.max"
    quota.write_text("max 100000\n")
    assert physical_cores(tmp_path, quota) == len(os.sched_getaffinity(0))
