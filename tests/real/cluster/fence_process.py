"""A fence agent of the tests: it "powers off" the process whose number is its plug, in one mood or another."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

METADATA = '<?xml version="1.0" ?>\n<resource-agent name="fence_process"><actions>\n{}</actions></resource-agent>\n'


def is_on(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def off(told: dict[str, str], pid: int) -> int:
    match told.get("mood"):
        case "liar":
            return 0
        case "fails":
            return 1
        case "flaky" if not Path(told["notes"]).exists():
            Path(told["notes"]).touch()
            return 1
        case "hangs":
            subprocess.run(["/bin/sleep", "1000"], check=False)
        case "slow":
            argv = ["/bin/sh", "-c", f"sleep 0.5; kill -9 {pid}"]
            subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            return 0
    os.kill(pid, signal.SIGKILL)
    while is_on(pid):
        time.sleep(0.005)
    return 0


def main() -> int:
    told = dict(line.rstrip("\n").split("=", 1) for line in sys.stdin)
    if "log" in told:
        with Path(told["log"]).open("a") as log:
            log.write(f"{told['action']} {Path('/proc/self/cmdline').read_bytes()!r} {sorted(os.environ.items())}\n")
    if told.get("mood") == "broken":
        return 2  # as a shell says of a script that it does not understand
    if told["action"] == "metadata":
        actions = ("off", "status", "monitor") if told.get("mood") != "old" else ("off", "monitor")
        sys.stdout.write(METADATA.format("".join(f'<action name="{one}" automatic="0"/>\n' for one in actions)))
        return 0
    if told.get("password") != "open sesame":
        sys.stderr.write(f"login failed with password {told.get('password')}\n")
        return 1
    pid = int(told["plug"])
    if told["action"] == "off":
        return off(told, pid)
    return 2 if told["action"] == "status" and not is_on(pid) else 0


if __name__ == "__main__":
    sys.exit(main())
