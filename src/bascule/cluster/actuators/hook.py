"""A command of the user's that promotes, demotes or checks: run within its time, its exit code read with care."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from bascule.cluster.actuators.port import Seen, Term
from bascule.cluster.programs.child import Ran, environment, run
from bascule.kernel.errors import ActuatorError, InputError
from bascule.kernel.quantities import Duration

PASSIVE_CODES = frozenset({1, 3, 7})
"""`pgrep` and `test` say 1, `systemctl` and LSB scripts 3, OCF agents 7. What failed at looking says something else.

Source: LSB 5.0, "Init Script Actions", status; OCF resource agent API 1.1, OCF_NOT_RUNNING.
"""
LOOK_EVERY_S = 0.05
MOST_ARGUMENTS = 256
MOST_BYTES = 64 * 1024


def check_argv(argv: Sequence[str], *, where: str) -> None:
    """See that a program and its arguments can be executed.

    Raises:
        InputError: They cannot.
    """
    hint = "a list: program first, then one text for each argument"
    if not argv or not argv[0]:
        raise InputError("no program is named", where=where, hint=hint)
    if len(argv) > MOST_ARGUMENTS or sum(len(one.encode("utf-8", "replace")) for one in argv) > MOST_BYTES:
        raise InputError(f"more than {MOST_ARGUMENTS} arguments, or than 64 KiB", where=where, hint="use a script")
    if any("\0" in one for one in argv):
        raise InputError("an argument holds a NUL character", where=where, hint=hint)


def check_limit(limit: Duration, *, where: str) -> None:
    """See that a limit is one.

    Raises:
        InputError: It is zero, or longer than an hour.
    """
    if not 0 < limit.seconds <= 3600:
        raise InputError(f"a limit of {limit} is out of range", where=where, hint="above 0s, at most 1h")


def variables(term: Term) -> dict[str, str]:
    """What a hook is told of a term, in its environment."""
    return {
        "BASCULE_CLUSTER": term.cluster,
        "BASCULE_GROUP": term.group,
        "BASCULE_AGENT": term.agent,
        "BASCULE_TOKEN": str(term.token),
        "BASCULE_UNTIL": f"{term.until_s:.6f}",
    }


class Hook:
    """One command.

    Args:
        what: For errors: `promote`.
        argv: Program and arguments.
        limit_s: How long it may take.
        where: Of which actuator.
    """

    def __init__(self, what: str, argv: Sequence[str], limit_s: float, where: str) -> None:
        self.what = what
        self.argv = tuple(argv)
        self.limit_s = limit_s
        self._where = where

    async def run(self, told: Mapping[str, str], argv: Sequence[str] = ()) -> Ran:
        """What came of it.

        Args:
            told: More variables of its environment.
            argv: Run this in its place.

        Raises:
            ActuatorError: It cannot be executed.
        """
        try:
            return await run(argv or self.argv, environment(**told), limit_s=self.limit_s)
        except OSError as error:
            what = f"the {self.what} command cannot be run: {error.strerror or error}"
            raise ActuatorError(what, where=self._where, hint=f"see {self.argv[0]}") from error

    async def do(self, told: Mapping[str, str], argv: Sequence[str] = ()) -> None:
        """Have it done.

        Raises:
            ActuatorError: It ended with another exit code than 0, or not in time.
        """
        ran = await self.run(told, argv)
        if ran.code != 0:
            hint = f"within {self.limit_s:g} s, with exit code 0"
            raise ActuatorError(f"the {self.what} command failed: {ran.why}", where=self._where, hint=hint)

    async def look(self, told: Mapping[str, str]) -> tuple[Seen, str]:
        """What its exit code says, and its words: 0 active, 1, 3 and 7 passive, anything else unknown."""
        try:
            ran = await self.run(told)
        except ActuatorError as error:
            return "unknown", error.what
        if ran.code == 0:
            return "active", ran.why
        return ("passive" if ran.code in PASSIVE_CODES else "unknown"), ran.why

    async def becomes(self, wanted: Seen, told: Mapping[str, str], within_s: float) -> None:
        """Look again and again, until it is as it is wanted.

        Raises:
            ActuatorError: It did not become so in time.
        """
        loop = asyncio.get_running_loop()
        until_s = loop.time() + within_s
        while True:
            seen, why = await self.look(told)
            if seen == wanted:
                return
            if loop.time() >= until_s:
                what = f"it did not become {wanted} within {within_s:g} s: the {self.what} command says: {why}"
                hint = "exit code 0: active; 1, 3 or 7: passive"
                raise ActuatorError(what, where=self._where, hint=hint)
            await asyncio.sleep(LOOK_EVERY_S)
