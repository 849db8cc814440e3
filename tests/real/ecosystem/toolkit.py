"""The real Chaos Toolkit, as a user would run it, in a process of its own."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]
NOTES = Path(__file__).with_name("notes.yaml")
NORTH, SOUTH = "notes-north-a-1", "notes-south-a-1"
EXTENSION = ROOT / "contrib" / "chaostoolkit-bascule"


def need_chaos_toolkit() -> None:
    """Skip, and say so, where it is not installed."""
    if importlib.util.find_spec("chaoslib") is None:
        pytest.skip("NO CHAOS TOOLKIT: it is among the development requirements", allow_module_level=True)


def environment(*more: Path) -> dict[str, str]:
    """What a process needs in order to find our extension, without installing it."""
    search = [*map(str, more), str(EXTENSION / "src"), str(ROOT / "src")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(search)}


class Chaos:
    """`chaos ...`, running."""

    def __init__(self, *words: str | Path, directory: Path, extension: Path | None = None) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "chaostoolkit", "--no-version-check", *map(str, words)],
            cwd=directory,
            env=environment(*([extension] if extension else [])),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._directory = directory

    def result(self, timeout_s: float = 200.0) -> tuple[int, str]:
        """Exit code and everything that was said, once it has ended."""
        try:
            said, _ = self.process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGINT)
            said, _ = self.process.communicate(timeout=60)
            pytest.fail(f"not done within {timeout_s} s\n{said}")
        return self.process.returncode, said

    def journal(self) -> dict[str, Any]:
        """What it wrote about the run."""
        found: dict[str, Any] = json.loads((self._directory / "journal.json").read_bytes())
        return found


def inject(fault: str, lab: str = "${bascule_lab}", **more: object) -> dict[str, Any]:
    """An activity that injects a fault into the member in the north."""
    arguments = {"fault": fault, "lab": lab, "parameters": {"member": NORTH}, **more}
    provider = {"type": "python", "module": "chaosbascule.actions", "func": "inject", "arguments": arguments}
    return {"type": "action", "name": f"inject {fault}", "provider": provider}
