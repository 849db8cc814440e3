"""A system file read and checked to the end: by its own rules and by those of every engine that it uses, in one go."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from bascule.engines import registry
from bascule.system import Finding, load_located
from bascule.system.model import System


def load_checked(path: Path) -> System:
    """Read a system file and let every engine check its part.

    Raises:
        SystemFileError: With every problem, each at its place in the file.
    """
    system, _ = load_located(path, also=_engines_say)
    return system


def _engines_say(system: System) -> Iterator[Finding]:
    for found in registry.check_system(system):
        yield Finding(path=found.path, what=found.what, hint=found.hint)
