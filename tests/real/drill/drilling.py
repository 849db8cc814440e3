"""The command as a user would run it, in a process of its own, and what it leaves behind."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SMALL = Path(__file__).with_name("small.yaml")
QUICK = Path(__file__).with_name("quick.yaml")
EXAMPLES = Path(__file__).parents[3] / "examples"


ORDINARY = ("unshare", "-U", "--map-user=1000", "--map-group=1000", "-i", "--") if os.geteuid() == 0 else ()
"""Runs a command as somebody who is not root, as PostgreSQL demands where the lab makes no user namespace itself."""


class Command:
    """A `bascule` command that runs, within another command if one is given."""

    def __init__(self, *words: str | Path, directory: Path, within: tuple[str, ...] = ()) -> None:
        self.process = subprocess.Popen(
            [*within, sys.executable, "-m", "bascule", *map(str, words)],
            cwd=directory,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def result(self, timeout_s: float = 230.0) -> tuple[int, str, str]:
        """Exit code, standard output and standard error, once it has ended."""
        try:
            out, err = self.process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            out, err = self.interrupt()
            pytest.fail(f"not done within {timeout_s} s\n{out}\n{err}")
        return self.process.returncode, out, err

    def interrupt(self) -> tuple[str, str]:
        """End it as Ctrl-C does, if it still runs; its standard output and standard error."""
        self.process.send_signal(signal.SIGINT)
        return self.process.communicate(timeout=60)


def wait_until(condition: Callable[[], object], limit_s: float, what: str) -> None:
    until_s = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > until_s:
            pytest.fail(f"not within {limit_s} s: {what}")
        threading.Event().wait(0.05)


def processes_of(directory: Path) -> list[str]:
    """Command lines of all processes that name this directory in their arguments or their environment."""
    needle = str(directory).encode()
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            arguments, environment = (entry / "cmdline").read_bytes(), (entry / "environ").read_bytes()
        except OSError:
            continue
        if needle in arguments or (b"BASCULE" in environment and needle in environment):
            found.append(f"{entry.name} {arguments.replace(bytes(1), b' ').decode(errors='replace')}")
    return found


def mounts_of(directory: Path) -> list[str]:
    return [line for line in Path("/proc/self/mounts").read_text().splitlines() if str(directory) in line]


def report_of(directory: Path) -> dict[str, Any]:
    report: dict[str, Any] = json.loads((directory / "report.json").read_bytes())
    return report


def trial_of(report: dict[str, Any], experiment: str) -> dict[str, Any]:
    return next(trial for trial in report["trials"] if trial["experiment"] == experiment)


def measure_of(trial: dict[str, Any], name: str) -> dict[str, Any]:
    return next(measure for measure in trial["verdict"]["measures"] if measure["name"] == name)
