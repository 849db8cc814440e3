"""`bascule chaos inject` in a process of its own, as somebody types it; and the end of everybody who could undo it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bascule.lab.client import LabClient


def eventually(claim: Callable[[], object], limit_s: float = 30.0) -> None:
    deadline_s = time.monotonic() + limit_s
    while not claim():
        assert time.monotonic() < deadline_s, f"not within {limit_s} s"
        time.sleep(0.02)


class Inject:
    """`bascule chaos inject` in a process of its own."""

    def __init__(self, lab: LabClient, run: Path, *words: str) -> None:
        argv = [sys.executable, "-m", "bascule", "chaos", "inject", *words, "--lab", str(lab.directory), "-o", str(run)]
        self.run = run
        self.process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def acts(self) -> None:
        assert self.process.stderr is not None
        told = self.process.stderr.readline()
        assert told.startswith("It acts"), told

    def end(self) -> None:
        """Ctrl-C."""
        self.process.send_signal(signal.SIGINT)
        out, err = self.process.communicate(timeout=60)
        assert self.process.returncode == 0, out + err

    def die(self) -> None:
        """SIGKILL to the command and to its watchdog; then `bascule chaos recover`."""
        journal = str(self.run / "journal.jsonl").encode()
        found = [
            int(entry.name)
            for entry in Path("/proc").iterdir()
            if entry.name.isdigit() and b"bascule.drill.watchdog" in (line := command(entry)) and journal in line
        ]
        assert len(found) == 1
        os.kill(found[0], signal.SIGKILL)
        self.process.kill()
        self.process.communicate()
        subprocess.run([sys.executable, "-m", "bascule", "chaos", "recover", str(self.run)], check=True)


def command(entry: Path) -> bytes:
    try:
        return (entry / "cmdline").read_bytes()
    except OSError:
        return b""  # it has ended


@contextmanager
def injecting(lab: LabClient, folder: Path) -> Iterator[Callable[..., Inject]]:
    """Starts such commands; at the end none of them runs."""
    started: list[Inject] = []

    def start(*words: str) -> Inject:
        started.append(Inject(lab, folder / f"run-{len(started)}", *words))
        return started[-1]

    try:
        yield start
    finally:
        for one in started:
            if one.process.poll() is None:
                one.process.send_signal(signal.SIGINT)
                one.process.communicate(timeout=60)
