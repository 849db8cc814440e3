"""Two trees of processes outside any lab, as a platform, on this machine or over ssh."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.real.outside import sshd

from bascule.outside import link
from bascule.outside.address import Address, Machine
from bascule.outside.link import Link
from bascule.outside.platform import OutsidePlatform

TREE = """
import os, select, sys, time
try:
    run = [os.pidfd_open(int(sys.argv[1]))]
except ProcessLookupError:
    run = []
os.fork()
os.fork()
while run and not select.select(run, [], [])[0]:
    continue
time.sleep(3)
"""
"""Four processes, which end soon after the test run, however that ends. Not at once: what undoes a crash starts them
again, and wants to see that they stay."""


@contextlib.contextmanager
def pair(names: tuple[str, str], *, place: Path, over_ssh: bool) -> Iterator[OutsidePlatform]:
    """Each of the names is such a process, and everything below it."""
    run = secrets.token_hex(8)  # agents of one run take over from one another: another test run is another one
    argv = (sys.executable, "-c", TREE, str(os.getpid()), run)
    with contextlib.ExitStack() as stack:
        connect = _way(run, place, stack) if over_ssh else lambda: Link(link.here(run), "this machine")
        started: list[subprocess.Popen[bytes]] = []
        stack.callback(_end, argv, started)
        started += [subprocess.Popen(argv, start_new_session=True) for _ in names]
        targets = {name: Address(pid=one.pid) for name, one in zip(names, started, strict=True)}
        platform = OutsidePlatform(connect, targets, run)
        stack.callback(_part, platform, names[0])
        platform.arm(dict.fromkeys(names, argv))
        yield platform


def _part(platform: OutsidePlatform, name: str) -> None:
    """Say goodbye, over a new link if Ctrl-C cut the one that there was: else the agent leaves a note of the run."""
    try:
        platform.start(name)
    finally:
        platform.close()


def _end(argv: tuple[str, ...], started: list[subprocess.Popen[bytes]]) -> None:
    """Nothing of this command line lives on: the agent, which starts such too, has said goodbye."""
    wanted = "\0".join((*argv, "")).encode()
    while left := _pids(wanted):
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    for one in started:
        one.wait()


def _pids(line: bytes) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):  # it is gone, or another user's
                found += [int(entry.name)] if (entry / "cmdline").read_bytes() == line else []
    return found


def _way(run: str, place: Path, stack: contextlib.ExitStack) -> Callable[[], Link]:
    server = stack.enter_context(sshd.running(place))
    return lambda: Link(link.there(Machine(host="far"), run, str(server.config)), "ssh:far")
