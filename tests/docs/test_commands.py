"""Every command of the pages that people copy commands from runs, and prints what the page shows.

The commands of a page run one after the other: each may need those before it.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path

import pytest

from tests.docs.blocks import Command, commands_of
from tests.docs.likeness import differences
from tests.docs.shell import INSTEAD, ROOT, Shell
from tests.service.redis_server import redis_server

COMMANDS = [(page, command) for page in ("README.md", "docs/quickstart.md") for command in commands_of(ROOT / page)]


@pytest.fixture(scope="module")
def redis_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with redis_server(tmp_path_factory.mktemp("redis")) as redis:
        yield redis.port


@pytest.fixture(scope="module")
def shell_of(
    tmp_path_factory: pytest.TempPathFactory, mnist_folder: Path, redis_port: int
) -> Iterator[Callable[[str], Shell]]:
    """The shell of a page; opened by its first command."""
    with ExitStack() as opened:

        @cache
        def shell_of(_page: str) -> Shell:
            folder = tmp_path_factory.mktemp("checkout")
            return opened.enter_context(Shell(folder, data=mnist_folder, redis_port=redis_port))

        yield shell_of


@pytest.mark.parametrize(("page", "command"), COMMANDS, ids=[f"{page}:{command.line}" for page, command in COMMANDS])
def test_a_command_runs_and_prints_what_is_shown(page: str, command: Command, shell_of: Callable[[str], Shell]) -> None:
    try:
        printed = shell_of(page).run(command.text)
    except RuntimeError as error:
        pytest.fail(str(error))
    if not command.text.startswith(tuple(INSTEAD)):
        found = differences(command.shown, printed)
        assert not found, "\n".join([command.text, *found, "", printed])


def test_both_pages_have_commands() -> None:
    assert {page for page, _ in COMMANDS} == {"README.md", "docs/quickstart.md"}
