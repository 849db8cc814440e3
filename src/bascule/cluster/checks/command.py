"""A service is well while a command says so by its exit code; what it prints may be how far its data is behind."""

from __future__ import annotations

from msgspec import Struct

from bascule.cluster.actuators.hook import check_argv
from bascule.cluster.checks.limits import check_timeout
from bascule.cluster.checks.port import Health
from bascule.cluster.programs.child import environment, run
from bascule.kernel.quantities import Duration

MOST_DIGITS = 18


class Options(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="command"):
    """Which command says how the service is.

    Attributes:
        command: Program and arguments; no shell is between. Exit code 0: well.
        timeout: After so long it is ended with its whole group, and the service is not well. Up to a minute.
        prints_lag: It prints the replication lag in whole bytes, and nothing else. Beyond the group's `most_lag` the
            node is not eligible; where it prints anything else, the service is not well.
    """

    command: tuple[str, ...]
    timeout: Duration = Duration(1.0)
    prints_lag: bool = False


def make(options: Options) -> CommandCheck:
    """The check; nothing runs yet.

    Raises:
        InputError: An option is impossible.
    """
    check_argv(options.command, where="command")
    check_timeout(options.timeout)
    return CommandCheck(options)


class CommandCheck:
    """Runs a command, in a session of its own."""

    def __init__(self, options: Options) -> None:
        self._options = options

    async def check(self) -> Health:
        """What the command says now; never raises."""
        try:
            limit_s = self._options.timeout.seconds
            ran = await run(self._options.command, environment(), limit_s=limit_s, grace_s=min(1.0, limit_s))
        except OSError as error:
            return Health(ok=False, why=f"it cannot be run: {error.strerror or error}")
        if ran.code != 0:
            return Health(ok=False, why=ran.why)
        if not self._options.prints_lag:
            return Health(ok=True)
        text = ran.output.strip()
        if not (text.isascii() and text.isdigit() and len(text) <= MOST_DIGITS):
            return Health(ok=False, why=f"it printed no number of bytes: {text[:60]!r}")
        return Health(ok=True, lag_bytes=int(text))
