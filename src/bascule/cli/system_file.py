"""A system file read and checked to the end: its own rules first, then those of every engine that it uses."""

from __future__ import annotations

from pathlib import Path

from bascule.engines import registry
from bascule.system import Problem, SystemFileError, load_located
from bascule.system.model import System


def load_checked(path: Path) -> System:
    """Read a system file and let every engine check its part.

    Raises:
        SystemFileError: With every problem, each at its place in the file.
    """
    system, positions = load_located(path)
    findings = registry.check_system(system)
    if findings:
        raise SystemFileError(
            tuple(Problem.at(positions, finding.path, finding.what, finding.hint) for finding in findings)
        )
    return system
