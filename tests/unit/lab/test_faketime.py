"""A libfaketime is tried before it is used, and what is not one is refused with the reason."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bascule.lab import faketime

_TURN = """
import sys, threading, time
sys.setswitchinterval(0.2)
begun, over = threading.Event(), []
def work():
    begun.set()
    while not over:
        pass
worker = threading.Thread(target=work)
worker.start()
begun.wait()
longest = 0.0
for _ in range(20):
    if longest < 0.2:
        before = time.monotonic()
        time.sleep(0)
        longest = max(longest, time.monotonic() - before)
print(longest)
over.append(True)
worker.join()
"""
"""How long a thread waits for its turn beside one that works and gives it every 0.2 s alone. Now and then it is back
before the other has taken its turn, and waits for nothing; so it tries again."""


@pytest.fixture(autouse=True)
def anew() -> Iterator[None]:
    faketime.library.cache_clear()
    yield
    faketime.library.cache_clear()


def test_what_does_not_turn_the_clock_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "libfaketime.so.1"
    broken.touch()
    monkeypatch.setenv(faketime.NAMED_BY, str(broken))
    place, why = faketime.library()
    assert place == ""
    assert why.startswith(f"{broken} does not turn the clock of a program that sleeps")


def test_where_none_is_the_way_to_one_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(faketime.NAMED_BY, str(tmp_path / "nowhere"))
    assert faketime.library() == ("", f"there is no libfaketime here: {faketime.HINT}")


def test_an_offset_is_told_with_its_sign() -> None:
    assert (faketime.offset(3600.0), faketime.offset(-0.5)) == ("+3600.000", "-0.500")


def test_a_thread_under_it_waits_for_its_turn_and_does_not_spin(tmp_path: Path) -> None:
    place, why = faketime.library()
    if why:
        pytest.skip(why)
    file = tmp_path / "clock"
    file.write_text(faketime.offset(7_862_400.0))
    environment = faketime.environment(place, file)
    argv = (sys.executable, "-I", "-c", _TURN)
    waited = subprocess.run(argv, env=environment, capture_output=True, timeout=60, check=True)
    assert float(waited.stdout) >= 0.2, "it got its turn before the other thread had to give it"
