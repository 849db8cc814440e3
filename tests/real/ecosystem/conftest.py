"""A small lab that stays up between experiments, and the words of users."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.real.ecosystem.toolkit import NORTH, NOTES, Chaos

from bascule.drill.chaos_toolkit import export
from bascule.drill.chaos_toolkit.outline import Outline, PlannedFault
from bascule.drill.system_file import load_checked
from bascule.lab import world
from bascule.lab.lab import Lab

Write = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Two members; hosts where this machine makes them."""
    isolation = "loopback" if world.isolation_available() else "namespaces"
    made = Lab.up(load_checked(NOTES), tmp_path_factory.mktemp("notes") / "lab", source=NOTES, isolation=isolation)
    try:
        yield made
    finally:
        made.down()


@pytest.fixture
def chaos(tmp_path: Path) -> Iterator[Callable[..., Chaos]]:
    """Starts `chaos` in an empty directory; nothing of it may run at the end."""
    running: list[Chaos] = []

    def start(*words: str | Path, extension: Path | None = None) -> Chaos:
        running.append(Chaos(*words, directory=tmp_path, extension=extension))
        return running[-1]

    yield start
    for each in running:
        if each.process.poll() is None:
            each.process.kill()
            each.process.communicate()


@pytest.fixture
def freeze() -> Callable[..., dict[str, Any]]:
    """An experiment that freezes the member in the north."""

    def written(lab: Path, hold_s: float = 0.5) -> dict[str, Any]:
        planned = PlannedFault(kind="process-freeze", parameters={"member": NORTH}, for_s=hold_s)
        outline = Outline(title="freeze the north", description="It answers no more.", faults=(planned,))
        return export.experiment(outline, lab=str(lab), system=str(NOTES))

    return written
