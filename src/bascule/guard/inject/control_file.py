"""A file by which an operator switches experiments on, and off by writing it anew or taking it away.

Where it is says `BASCULE_INJECT_FILE`, when the process starts. One table for each experiment:

    [prices]            # the name of the guard, or what injections call their experiment
    for_s = 60.0        # from when the file was written, at most 3600
    rate = 0.2          # in place of that of each injection; may be left out
    keys = ["ada"]      # only calls with these keys; may be left out

Writing it again, `touch` included, makes it last. What cannot be taken over switches all of the file's experiments off,
and is told as a fact: a guarded call never fails for what somebody wrote.
"""

from __future__ import annotations

import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bascule.guard.checks import shown
from bascule.guard.inject.disturbances import Disturbances, Experiment
from bascule.kernel.errors import InputError

OPTIONS = {"for_s", "keys", "rate"}
EARLY_S = 5.0
"""So far in the future may a file have been written, by clocks that differ a little."""
Written = tuple[int, int, int, int]


class ControlFile:
    """The experiments that a file switches on; each ends `for_s` seconds after the file was written, restarts or not.

    Args:
        path: Where it is; it need not be there.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._written: Written | None = None
        self._begun: list[Experiment] = []

    def look(self, disturbances: Disturbances) -> None:
        """Take over what the file says, if it was written since; what cannot be taken over is told as a fact."""
        try:
            now = self.path.stat()
        except OSError:
            written, age_s, mode = None, 0.0, 0
        else:
            written = (now.st_mtime_ns, now.st_size, now.st_ino, now.st_mode)
            age_s, mode = disturbances.wall_s() - now.st_mtime, now.st_mode
        if written == self._written:
            return
        self._written = written
        for experiment in self._begun:
            disturbances.end(experiment, "file")
        self._begun = []
        if written is None:
            return
        try:
            self._begun = [disturbances.begin(one) for one in self._read(disturbances, age_s, mode)]
        except InputError as error:
            disturbances.refused(str(self.path), str(error))

    def _read(self, disturbances: Disturbances, age_s: float, mode: int) -> list[Experiment]:
        from bascule.guard.configuration import read  # noqa: PLC0415 - it brings every policy

        disturbances.check()
        if mode & stat.S_IWOTH:
            raise InputError("everybody may write it", where=str(self.path), hint="chmod o-w")
        if age_s < -EARLY_S:
            raise InputError("it was written in the future", where=str(self.path), hint="touch it")
        told = read(self.path)
        made = [self._experiment(disturbances, name, table, max(0.0, age_s)) for name, table in told.items()]
        return [one for one in made if one.left_s() > 0.0]

    def _experiment(self, disturbances: Disturbances, name: str, table: object, age_s: float) -> Experiment:
        where = f"{self.path}: {shown(name)}"
        if not isinstance(table, Mapping) or "for_s" not in table or not set(table) <= OPTIONS:
            raise InputError("an experiment is a table with for_s, and keys and rate if need be", where=where)
        options: dict[str, Any] = dict(table)
        keys = options.get("keys")
        if keys is not None and not isinstance(keys, list):
            raise InputError("keys is a list", where=where)
        try:
            made = Experiment(disturbances, name, options["for_s"], keys, options.get("rate"))
        except InputError as error:
            raise InputError(error.what, where=where, hint=error.hint) from error
        made.ends_s -= age_s
        return made
