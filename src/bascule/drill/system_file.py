"""A system file read and checked to the end: by its own rules and by those of every engine that it uses, in one go."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from msgspec.structs import replace

from bascule.drill.scenarios import rules
from bascule.engines import registry
from bascule.system import Finding, load_experiments, load_located
from bascule.system import rules as structural
from bascule.system.model import System


def load_checked(path: Path) -> System:
    """Read a system file and let every engine check its part.

    Raises:
        SystemFileError: With every problem, each at its place in the file.
    """
    system, _ = load_located(path, also=_others_say)
    return system


def with_experiments(system: System, path: Path) -> System:
    """The system with the experiments of a file beside it; of two with one name, that file's counts.

    Raises:
        SystemFileError: With every problem of that file, each at its place.
    """
    own = load_experiments(path, lambda found: rules.check(system, found))
    return replace(system, experiments={**system.experiments, **own})


def _others_say(system: System) -> Iterator[Finding]:
    """What the engines and the drill find; a timeline is gone through only where all else is well."""
    found = [Finding(path=one.path, what=one.what, hint=one.hint) for one in registry.check_system(system)]
    yield from found
    yield from structural.check_addresses(system)
    if system.experiments and not found and not any(structural.check(system)):
        yield from rules.check(system, system.experiments)
