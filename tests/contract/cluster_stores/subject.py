"""What the contract of stores needs of each store's real server, and where all of them are found.

A store joins by one module `on_<store>.py` in this folder with a variable `subject`, a subclass of `Subject`: see
`on_memory.py` for the least, `on_etcd.py` for all of it.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar, Literal

from bascule.cluster.stores.port import VALUE_LIMIT_BYTES, Store

Ability = Literal["kill", "freeze", "login", "remove"]
FOLDER = Path(__file__).resolve().parent
PATIENT_S = 10.0
"""Time limit of a store in tests that are not about time: this machine may be busy."""


class Subject:
    """One store's server, or what stands in for it, on this machine. Nothing of it outlives the test run.

    Attributes:
        name: As it is shown: `etcd`.
        can: What can be done to it besides reading and writing.
        real: It starts real programs.
        value_limit_bytes: The largest value that it keeps, where that is less than the port allows.
    """

    name: ClassVar[str]
    can: ClassVar[frozenset[Ability]] = frozenset()
    real: ClassVar[bool] = True
    value_limit_bytes: ClassVar[int] = VALUE_LIMIT_BYTES

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    @classmethod
    def missing(cls) -> str:
        """The package that this machine lacks; empty if it lacks none."""
        return ""

    def start(self) -> None:
        """Ready to serve when this returns; after `kill` again, with what it had.

        Called in the main thread: a program whose life is bound to its parent's ends with the thread that started it.
        """

    def stop(self) -> None:
        """Gone, whatever state it was in; once more does no harm."""

    def store(self, timeout_s: float = PATIENT_S, password: str | None = None) -> Store:
        """One more client.

        Args:
            timeout_s: Its own time limit of each call.
            password: Instead of the right one, or of the token that stands for it.
        """
        raise AssertionError(f"{self.name} has no store for {timeout_s} and {password}")

    def kill(self) -> None:
        """End it as `kill -9` does, or make it as unreachable as that (`kill`)."""
        raise AssertionError(self.name)

    def freeze(self) -> None:
        """Connections stay, answers do not come (`freeze`)."""
        raise AssertionError(self.name)

    def thaw(self) -> None:
        """It goes on where it was (`freeze`)."""
        raise AssertionError(self.name)

    async def remove(self, store: Store, key: str) -> None:
        """Remove a register as an operator would, past the port (`remove`)."""
        raise AssertionError(f"{self.name} cannot remove {key} from {store.name}")


def subjects() -> Iterable[type[Subject]]:
    """All stores of this folder."""
    for path in sorted(FOLDER.glob("on_*.py")):
        module = importlib.import_module(f"tests.contract.cluster_stores.{path.stem}")
        yield module.subject
