"""The labs that tests share: each system is brought up once, mended after each test, and ended with the last one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from bascule.drill.system_file import load_checked
from bascule.kernel.errors import BasculeError, LabError, MachineError, MissingProgramError
from bascule.lab.abilities import Abilities, demand
from bascule.lab.lab import Lab
from bascule.testing.breakable import BreakableLab

Key = tuple[Path, str, Abilities]


def bring_up(system: Path, directory: Path, isolation: str, wanted: Abilities) -> Lab:
    """The system of this file, up and whole; it ends with this process, unless it is kept.

    Args:
        system: The system file.
        directory: The lab's own.
        isolation: `auto`, `namespaces` or `loopback`.
        wanted: What it is given beside its hosts.

    Raises:
        BasculeError: The file is wrong, a program is missing, or this machine cannot hold it.
    """
    demand(wanted, isolation)
    return Lab.up(load_checked(system), directory, source=system, isolation=isolation, wanted=wanted)


class Labs:
    """Labs by system file and isolation. They die with this process, however it ends.

    Args:
        make_directory: Gives an empty directory for each lab.
    """

    def __init__(self, make_directory: Callable[[], Path]) -> None:
        self._make_directory = make_directory
        self._labs: dict[Key, BreakableLab] = {}
        self._unfit: dict[Key, BasculeError] = {}

    def get(self, system: Path, isolation: str, wanted: Abilities) -> BreakableLab:
        """The lab of this system, up and whole; made when it is first asked for, or when the last one was lost.

        What this machine could not do once is not tried again.

        Raises:
            MachineError: This machine cannot hold it.
            MissingProgramError: A program is missing.
            BasculeError: The file is wrong, or the system did not come up.
        """
        key = (system.resolve(), isolation, wanted)
        if key in self._unfit:
            raise self._unfit[key]
        if key not in self._labs:
            try:
                self._labs[key] = self._make(system, isolation, wanted)
            except (MachineError, MissingProgramError) as error:
                self._unfit[key] = error
                raise
        return self._labs[key]

    def _make(self, system: Path, isolation: str, wanted: Abilities) -> BreakableLab:
        directory = self._make_directory()
        return BreakableLab(bring_up(system, directory / "lab", isolation, wanted), directory / "run")

    def mend(self, lab: BreakableLab) -> None:
        """Undo what a test left broken and wait until the system is whole; one that does not mend is ended.

        Raises:
            BasculeError: Something could not be undone, or the system is not whole again; the next test gets a new one.
        """
        try:
            lab.undo_all()
            lab.wait_whole()
        except BasculeError:
            self._labs = {key: each for key, each in self._labs.items() if each is not lab}
            lab.down()
            raise

    def end(self) -> None:
        """End every lab, and with it every fault.

        Raises:
            LabError: Some did not end.
        """
        failed = []
        for lab in self._labs.values():
            try:
                lab.down()
            except BasculeError as error:
                failed.append(str(error))
        self._labs.clear()
        if failed:
            raise LabError(f"not every lab ended: {'; '.join(failed)}", hint="bascule lab down --dir DIRECTORY")
