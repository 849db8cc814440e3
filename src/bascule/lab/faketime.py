"""Finds libfaketime and says how a program is started so that its wall clock can be turned.

Debian's 0.9.10 lets programs that sleep by an absolute monotonic time fail (EINVAL), Python from 3.11 on among them:
what is found is tried before it is used.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

from bascule.lab.names import CLOCKS
from bascule.lab.protocol import Isolation

LIBRARY = "libfaketime.so.1"
NAMED_BY = "BASCULE_LIBFAKETIME"
HINT = "pip install libfaketime, or name one by BASCULE_LIBFAKETIME"
TRIAL_LIMIT_S = 20.0
RIGHT = "+0"
_MONOTONIC_AS_IT_IS = {"FAKETIME_DONT_FAKE_MONOTONIC": "1", "FAKETIME_FORCE_MONOTONIC_FIX": "0"}
"""Without the second, meant for older C libraries, a wait by the monotonic clock ends at once, and threads spin."""
_TRIAL = "import time; time.sleep(0.01); print(time.time() - time.monotonic())"


def found() -> tuple[Path, ...]:
    """Where a libfaketime is, the one to try first in front: the one that is named, the wheel's, the system's."""
    named = os.environ.get(NAMED_BY, "")
    spec = importlib.util.find_spec("libfaketime")
    wheels = [
        Path(place) / "vendor" / "libfaketime" / "src" for place in (spec and spec.submodule_search_locations) or ()
    ]
    system = sorted(Path("/usr/lib").glob("*/faketime"))
    places = [Path(named)] if named else [place / LIBRARY for place in (*wheels, *system)]
    return tuple(place for place in places if place.is_file())


@cache
def library() -> tuple[str, str]:
    """The first libfaketime that works, and why there is none; one of the two is empty."""
    candidates = found()
    if not candidates:
        return "", f"there is no libfaketime here: {HINT}"
    for place in candidates:
        if _works(place):
            return str(place), ""
    return "", f"{candidates[0]} does not turn the clock of a program that sleeps: {HINT}"


def chosen(wanted: bool, kind: Isolation) -> tuple[str, str]:
    """The libfaketime that a lab goes by, and why it has none; one of the two is empty."""
    if not wanted:
        return "", "it was brought up without clocks that can be turned: bascule lab up --clocks"
    if kind != "namespaces":
        return "", "what libfaketime leaves in /dev/shm goes only with namespaces of our own"
    return library()


def _works(place: Path) -> bool:
    environment = {"LD_PRELOAD": str(place), "FAKETIME": "+3600", **_MONOTONIC_AS_IT_IS}
    try:
        tried = [
            float(subprocess.run(argv, env=env, capture_output=True, timeout=TRIAL_LIMIT_S, check=True).stdout)
            for argv in ((sys.executable, "-I", "-c", _TRIAL),)
            for env in ({}, environment)
        ]
    except (OSError, ValueError, subprocess.SubprocessError):
        return False  # it is not used, and the caller says so
    return 3599 < tried[1] - tried[0] < 3601


def path_of(directory: Path, member: str) -> Path:
    """The file that says how wrong a member's clock is."""
    return directory / CLOCKS / member


def environment(place: str, file: Path) -> dict[str, str]:
    """With what a program goes by that file: it looks at it once a second, and only its wall clock follows."""
    return {
        "LD_PRELOAD": place,
        "FAKETIME_TIMESTAMP_FILE": str(file),
        "FAKETIME_CACHE_DURATION": "1",
        **_MONOTONIC_AS_IT_IS,
    }


def offset(seconds: float) -> str:
    """How the file says that the clock is so far ahead."""
    return f"{seconds:+.3f}"
