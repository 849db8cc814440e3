"""The emergency stop against a process that is no lab's: found by its watchdog, and ended though it ignores SIGINT."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bascule.drill.halting import find_running, halt

pytestmark = pytest.mark.real
STAND_IN = """
import signal, sys, time
from pathlib import Path
from bascule.drill import watchdog
signal.signal(signal.SIGINT, signal.SIG_IGN)
def ended(*_):
    watch.close()
    raise SystemExit(7)
signal.signal(signal.SIGTERM, ended)
watch = watchdog.start(Path(sys.argv[1]) / "journal.jsonl", Path(sys.argv[1]) / "lab")
print("ready", flush=True)
while True:
    time.sleep(0.1)
    watch.renew()
"""


@pytest.fixture
def breaker(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Something of the name of our command that breaks things in the background."""
    script = tmp_path / "bascule"
    script.write_text(STAND_IN)
    with subprocess.Popen([sys.executable, str(script), str(tmp_path)], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()


def test_who_ignores_sigint_is_found_by_its_watchdog_and_ended(breaker: subprocess.Popen[str], tmp_path: Path) -> None:
    (found,) = find_running([tmp_path])
    assert found.pid == breaker.pid
    halt([found])
    assert breaker.wait(timeout=60) == 7
    assert find_running([tmp_path]) == ()


def test_whoever_is_not_our_command_is_not_ended(tmp_path: Path) -> None:
    script = tmp_path / "somebody"
    script.write_text(STAND_IN)
    with subprocess.Popen([sys.executable, str(script), str(tmp_path)], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            (found,) = find_running([tmp_path])
            assert found.pid == 0
            halt([found])
            assert process.poll() is None
        finally:
            process.terminate()
            assert process.wait(timeout=60) == 7
