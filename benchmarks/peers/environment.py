"""A virtual environment of the script's own, with the peers in it; it is gone when the script ends.

Ours reaches it by PYTHONPATH, so that both are measured by one interpreter. Where pip finds no packages, the peers are
missing, which is told and no error.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PINS = {
    "tenacity": "9.2.1",
    "stamina": "26.1.0",
    "pybreaker": "1.4.1",
    "circuitbreaker": "2.1.3",
    "purgatory": "3.0.1",
    "hyx": "0.0.2",
    "fluxgate": "0.9.4",
    "nopanic": "0.3.0",
    "interlock-cb": "2.8.2",
    "pyresilience": "0.4.1",
    "aiobreaker": "1.2.0",
}
OURS = "bascule"
INSTALL_S = 60.0
"""How long pip may take altogether before the rest of the peers counts as missing."""


@dataclass(frozen=True)
class Environment:
    """The interpreter of the virtual environment, and which subjects it can import."""

    python: Path
    variables: dict[str, str]
    missing: list[str]

    def run(self, *words: str, timeout_s: float) -> subprocess.CompletedProcess[str]:
        """Run the interpreter with `words`; raises `TimeoutExpired` when it takes longer than that."""
        return subprocess.run(
            [str(self.python), *words],
            cwd=ROOT,
            env=self.variables,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout_s,
        )

    @property
    def subjects(self) -> list[str]:
        """Ours first, then the peers, without those that are missing."""
        return [name for name in (OURS, *PINS) if name not in self.missing]


def install(python: Path, folder: Path, pins: Mapping[str, str] = PINS) -> list[str]:
    """Install every peer, one by one if need be; returns those that could not be had."""
    ends_s = time.monotonic() + INSTALL_S

    def pip(*requirements: str) -> bool:
        argv = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]
        argv += ["--retries", "1", "--timeout", "10", *requirements]
        try:
            done = subprocess.run(
                argv, cwd=folder, capture_output=True, check=False, timeout=max(1.0, ends_s - time.monotonic())
            )
        except subprocess.TimeoutExpired:
            return False
        return done.returncode == 0

    pinned = {name: f"{name}=={version}" for name, version in pins.items()}
    if pip(*pinned.values()):
        return []
    if not pip(next(iter(pinned.values()))):
        return list(pinned)  # not even the best known one: there is no registry
    return [name for name, requirement in pinned.items() if time.monotonic() > ends_s or not pip(requirement)]


@contextlib.contextmanager
def environment(pins: Mapping[str, str] = PINS) -> Iterator[Environment]:
    """The environment with these peers, for as long as the block runs."""
    with tempfile.TemporaryDirectory(prefix="peers-") as name:
        folder = Path(name)
        venv.create(folder / "venv", with_pip=True, symlinks=True)
        python = folder / "venv" / "bin" / "python"
        missing = install(python, folder, pins)
        variables = {word: value for word, value in os.environ.items() if word != "PYTHONDONTWRITEBYTECODE"}
        variables |= {
            "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}",
            "PYTHONPYCACHEPREFIX": str(folder / "compiled"),
            "PYTHONWARNINGS": "ignore",
        }
        if missing:
            print(f"MISSING, and therefore not measured: {', '.join(missing)}", file=sys.stderr)
        yield Environment(python, variables, missing)


def machine() -> dict[str, object]:
    """What the figures were taken on."""
    model = "unknown"
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), model)
    return {
        "processors": os.cpu_count(),
        "model": model,
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load": round(os.getloadavg()[0], 2),
    }


def versions(missing: list[str]) -> dict[str, str]:
    """The versions of the peers that were there."""
    return {name: version for name, version in PINS.items() if name not in missing}


def show(result: dict[str, object]) -> None:
    """Print the result as one JSON object."""
    print(json.dumps(result, indent=2))
