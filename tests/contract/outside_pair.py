"""Two trees of processes outside any lab, as a platform, on this machine or over ssh."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.real.outside import sshd

from bascule.outside import link
from bascule.outside.address import Address, Machine
from bascule.outside.link import Link
from bascule.outside.platform import OutsidePlatform


@contextlib.contextmanager
def pair(names: tuple[str, str], argv: tuple[str, ...], *, place: Path, over_ssh: bool) -> Iterator[OutsidePlatform]:
    """Each of the names is such a process, and everything below it."""
    with contextlib.ExitStack() as stack:
        connect = _way(place, stack) if over_ssh else lambda: Link(link.here("contract"), "this machine")
        started = [stack.enter_context(subprocess.Popen(argv, start_new_session=True)) for _ in names]
        targets = {name: Address(pid=one.pid) for name, one in zip(names, started, strict=True)}
        platform = OutsidePlatform(connect, targets, "contract")
        platform.arm(dict.fromkeys(names, argv))
        try:
            yield platform
        finally:
            for name in names:
                platform.start(name)
            left = [view.pid for name in names for view in platform.processes(name)]
            platform.close()
            for pid in {*left, *(one.pid for one in started)}:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


def _way(place: Path, stack: contextlib.ExitStack) -> Callable[[], Link]:
    server = stack.enter_context(sshd.running(place))
    return lambda: Link(link.there(Machine(host="far"), "contract", str(server.config)), "ssh:far")
