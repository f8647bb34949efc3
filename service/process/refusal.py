"""Why a server does not start: one line in the log, with what was expected and what came."""

import difflib
import logging
import re
from collections.abc import Mapping

from pydantic import ValidationError

from model_store import ModelStoreError
from service.process.exit_code import ExitCode
from service.process.listening import CannotListen
from service.settings import Settings

logger = logging.getLogger(__name__)

_PREFIX = "EABS_"
# What scripts/ reads; everything else that begins like a setting is meant to be one.
_OTHER_VARIABLES = frozenset({"EABS_PYTHON", "EABS_CLIENT_KEY"})
_SECRET = re.compile(r"key|secret|password|token|url", re.IGNORECASE)
_EXPECTED = (CannotListen, ModelStoreError, OSError, ValueError)


def refuse(error: Exception) -> ExitCode:
    """Logs why the server does not start; with a traceback where that is nobody's mistake but ours."""
    traceback = not isinstance(error, _EXPECTED) or logger.isEnabledFor(logging.DEBUG)
    if isinstance(error, ValidationError):
        logger.critical("the server cannot start: %s", in_one_line(error))
        return ExitCode.WRONG_CALL
    logger.critical("the server cannot start: %s", error, exc_info=error if traceback else None)
    return ExitCode.WRONG_CALL if isinstance(error, UnknownVariables) else ExitCode.FAILED


class UnknownVariables(ValueError):  # noqa: N818 -- reads as what happened
    """The environment has variables that look like settings and are none."""


def check_variables(environment: Mapping[str, str]) -> None:
    """Refuses a misspelt setting, which would be a limit or a lock that is not there.

    Raises:
        UnknownVariables: a variable begins with EABS_ and is no setting.
    """
    known = {f"{_PREFIX}{name.upper()}" for name in Settings.model_fields}
    unknown = [name for name in environment if name.upper().startswith(_PREFIX)]
    unknown = sorted(name for name in unknown if name.upper() not in known | _OTHER_VARIABLES)
    if unknown:
        raise UnknownVariables("; ".join(f"{name} is no setting{_hint(name, known)}" for name in unknown))


def _hint(name: str, known: set[str]) -> str:
    near = difflib.get_close_matches(name.upper(), known, n=1)
    return f", did you mean {near[0]}?" if near else ""


def in_one_line(error: ValidationError) -> str:
    """All complaints about settings, each with its variable, and what it holds unless that may be a secret."""
    complaints = []
    for complaint in error.errors(include_url=False):
        name = "".join(f"{_PREFIX}{part}" for part in complaint["loc"][:1]).upper()
        what = complaint["msg"].removeprefix("Value error, ")
        own = complaint["type"] == "value_error"
        got = "" if own or not name or _SECRET.search(name) else f", got {complaint['input']!r}"
        complaints.append(f"{name}: {what}{got}" if name else what)
    return "; ".join(complaints)
