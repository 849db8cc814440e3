"""Stands in for `systemctl` where no systemd runs: keeps units in a file, as far as an actuator asks for them.

Run as a program: `fake_systemctl.py FILE ARGUMENT...`. `mood` in the file says what goes wrong.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FRESH = {
    "LoadState": "loaded", "UnitFileState": "disabled", "ActiveState": "inactive", "SubState": "dead",
    "Result": "success", "InvocationID": "", "TasksCurrent": "[not set]", "mood": "", "said": [],
}  # fmt: skip


@contextlib.contextmanager
def kept(path: Path) -> Iterator[dict[str, Any]]:
    """The unit, written back at the end; one program at a time has it."""
    with path.open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        unit = {**FRESH, **json.loads(file.read() or "{}")}
        yield unit
        file.seek(0)
        file.truncate()
        file.write(json.dumps(unit))


def order(unit: dict[str, Any], verb: str) -> int:
    mood = unit["mood"]
    if mood == "denied":
        sys.stderr.write("Failed to start: Access denied\n")
        return 4
    if verb == "start":
        result = "exit-code" if mood == "fails" else "success"
        state = {"fails": "failed", "oneshot": "inactive", "starting": "activating"}.get(mood, "active")
        running = state == "active"
        unit |= {"ActiveState": state, "SubState": "running" if running else "dead", "Result": result}
        unit |= {"InvocationID": str(time.monotonic_ns()), "TasksCurrent": "1" if running else "[not set]"}
        if mood == "fails":
            sys.stderr.write("Job for web.service failed because the control process exited with error code.\n")
        return int(mood == "fails")
    if verb == "stop" and mood == "stubborn":
        unit |= {"ActiveState": "deactivating", "SubState": "stop-sigterm"}
    elif verb == "stop" and mood == "leaves":
        unit |= {"ActiveState": "inactive", "SubState": "dead", "TasksCurrent": "2"}
    elif mood != "immortal" and verb in {"stop", "kill"}:
        unit |= {"ActiveState": "inactive", "SubState": "dead", "TasksCurrent": "[not set]"}
    elif verb == "reset-failed":
        unit |= {"ActiveState": "inactive", "SubState": "dead"}
    return 0


def main(path: Path, arguments: list[str]) -> int:
    verb = next(one for one in arguments if not one.startswith("-"))
    with kept(path) as unit:
        unit["said"] = [*unit["said"], arguments][-50:]
        mood = unit["mood"]
        if verb == "show":
            if mood == "garbage":
                sys.stdout.write("no\nsuch=thing\n" * 1000)
            else:
                wanted = next(one for one in arguments if one.startswith("--property=")).partition("=")[2].split(",")
                sys.stdout.write("".join(f"{name}={unit.get(name, '')}\n" for name in reversed(wanted)))
            return 0
        if mood != "slow" or verb != "start":
            return order(unit, verb)
    signal.pause()
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
