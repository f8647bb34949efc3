"""What docker/Dockerfile says, for the tests."""

import json
import re
import shlex
from dataclasses import dataclass, field
from functools import cache

from tests.docker.monitoring import ROOT

DOCKERFILE = ROOT / "docker" / "Dockerfile"


@dataclass
class Stage:
    """One stage: its instructions in their order, and what they make of an image."""

    base: str
    instructions: list[tuple[str, str]] = field(default_factory=list)

    @property
    def variables(self) -> dict[str, str]:
        """What ENV sets."""
        return self._pairs("ENV")

    @property
    def labels(self) -> dict[str, str]:
        """What LABEL says."""
        return self._pairs("LABEL")

    @property
    def user(self) -> str:
        """Who the last USER is."""
        return [rest for name, rest in self.instructions if name == "USER"][-1]

    def form(self, instruction: str) -> list[str]:
        """The exec form of an instruction that stands there once."""
        (rest,) = [rest for name, rest in self.instructions if name == instruction]
        return list(json.loads(rest[rest.index("[") :]))

    def _pairs(self, instruction: str) -> dict[str, str]:
        words = [word for name, rest in self.instructions if name == instruction for word in shlex.split(rest)]
        return dict(word.split("=", 1) for word in words)


@cache
def stages() -> dict[str, Stage]:
    """The stages by name."""
    text = re.sub(r"^#.*\n", "", DOCKERFILE.read_text(), flags=re.M).replace("\\\n", " ")
    found: dict[str, Stage] = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        instruction, rest = line.split(maxsplit=1)
        if instruction == "FROM":
            base, _, name = rest.split()
            found[name] = stage = Stage(base)
        elif found:
            stage.instructions.append((instruction, rest))
    return found


def final_stage(name: str) -> Stage:
    """A stage with all that it stands on, down to the base image."""
    stage = stages()[name]
    if stage.base not in stages():
        return stage
    below = final_stage(stage.base)
    return Stage(below.base, [*below.instructions, *stage.instructions])
