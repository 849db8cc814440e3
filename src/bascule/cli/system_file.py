"""Where the commands read a system file: checked to the end, by its own rules and those of every engine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from bascule.drill.system_file import load_checked, with_experiments
from bascule.engines import registry
from bascule.system import Finding, load_located
from bascule.system.model import System
from bascule.system.problems import Positions

__all__ = ["load_checked", "load_described", "located", "with_experiments"]


def load_described(path: Path) -> System:
    """Read a system file that is looked at and not run: its engines may be such as Bascule does not know.

    Raises:
        SystemFileError: With every problem, each at its place in the file.
    """
    return located(path)[0]


def located(path: Path) -> tuple[System, Positions]:
    """Like `load_described`, with where everything in the file stands."""
    return load_located(path, also=_known_engines_say)


def _known_engines_say(system: System) -> Iterator[Finding]:
    known = registry.names()
    for one in registry.check_system(system):
        words = one.path.split(".")
        foreign = words[0] == "components" and system.components[words[1]].engine not in known
        if not foreign:
            yield Finding(path=one.path, what=one.what, hint=one.hint)
