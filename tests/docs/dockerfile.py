"""Reads the Dockerfile: its stages and their instructions."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field

from tests.testbed.harness import ROOT

DOCKERFILE = ROOT / "Dockerfile"


@dataclass
class Stage:
    """One `FROM`, and what follows it: pairs of instruction and arguments."""

    base: str
    instructions: list[tuple[str, str]] = field(default_factory=list)

    def values(self, name: str) -> list[str]:
        """The arguments of every instruction of this name."""
        return [arguments for instruction, arguments in self.instructions if instruction == name]

    def json(self, name: str) -> list[str]:
        """The last instruction of this name in its JSON form."""
        command: list[str] = json.loads(re.search(r"\[.*\]$", self.values(name)[-1])[0])  # type: ignore[index]
        return command

    @property
    def env(self) -> dict[str, str]:
        """Its variables."""
        return dict(re.findall(r"(\w+)=(\S+)", " ".join(self.values("ENV"))))


def stages() -> list[Stage]:
    """The stages in their order."""
    text = re.sub(r"^#.*\n", "", DOCKERFILE.read_text("utf-8"), flags=re.MULTILINE).replace("\\\n", " ")
    found: list[Stage] = []
    for line in filter(None, map(str.strip, text.splitlines())):
        name, _, arguments = line.partition(" ")
        if name == "FROM":
            found.append(Stage(arguments.partition(" ")[0]))
        else:
            found[-1].instructions.append((name, re.sub(r"\s+", " ", arguments)))
    return found
