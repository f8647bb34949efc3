import platform
from pathlib import Path

from eabs.processor import processor_name


def test_the_first_processors_name_is_told(tmp_path: Path) -> None:
    file = tmp_path / "cpuinfo"
    file.write_text("processor\t: 0\nmodel name\t: Fast: 9000\n\nprocessor\t: 1\nmodel name\t: Other\n")
    assert processor_name(file) == "Fast: 9000"


def test_where_the_system_does_not_tell_the_machine_is_named(tmp_path: Path) -> None:
    expected = platform.processor() or platform.machine()
    assert processor_name(tmp_path / "none") == expected
    (tmp_path / "cpuinfo").write_text("processor\t: 0\n")
    assert processor_name(tmp_path / "cpuinfo") == expected
