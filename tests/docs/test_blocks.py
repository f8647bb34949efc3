from pathlib import Path

import pytest

from tests.docs.blocks import Command, commands_of


def test_commands_come_with_what_they_print_and_their_line(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "Text\n```console\n$ one \\\n  more\nfirst\nsecond\n$ two\n```\n```python\nnot = 1\n```\n```\n$ three\n```\n"
    )
    assert commands_of(page) == [
        Command(3, "one \\\n  more", "first\nsecond\n"),
        Command(7, "two", ""),
        Command(13, "three", ""),
    ]


def test_a_block_that_says_no_command_is_refused(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("```\nscripts/serve\n```\n")
    with pytest.raises(ValueError, match=r"page\.md:2: expected a command"):
        commands_of(page)
