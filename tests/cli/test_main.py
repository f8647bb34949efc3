import subprocess
import sys
from importlib.metadata import version

import pytest

from tests.cli.conftest import Eabs

COMMANDS = [
    "serve", "classify", "certify", "train", "data prepare", "prototypes train", "prototypes compare",
    "models list", "models show", "models publish", "models verify",
    "models alias", "models delete", "evaluate accuracy", "evaluate certificates", "evaluate certified",
    "evaluate convergence",
    "bench engine", "bench certificates", "bench server", "bench layouts", "bench optimality",
    "bench convergence", "bench solvers", "bench classes", "bench arrivals", "bench starts", "bench public-abs",
    "bench adversarial", "bench scaling", "reference configuration", "reference api",
]  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(eabs: Eabs, command: str) -> None:
    outcome = eabs(*command.split(), "--help")
    assert outcome.code == 0
    assert "Usage:" in outcome.out


def test_the_version_is_that_of_the_distribution(eabs: Eabs) -> None:
    outcome = eabs("--version")
    assert (outcome.code, outcome.out) == (0, f"eabs {version('eabs-server')}\n")


def test_an_unknown_command_is_a_usage_error(eabs: Eabs) -> None:
    assert eabs("clasify").code == 2


def test_an_unknown_option_is_a_usage_error(eabs: Eabs) -> None:
    assert eabs("models", "list", "--colour").code == 2


def test_neither_the_server_nor_the_commands_wait_for_what_few_of_them_use() -> None:
    code = "import service.app, cli.main, sys; print(sorted({'foolbox', 'tensorboard'} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout == "[]\n"
