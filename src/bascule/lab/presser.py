"""Uses up the memory of the control group that it is in: `python presser.py BYTES`, once a line is said to it.

What it takes is memory that no process maps, so that it is no candidate of the OOM killer as long as there is another.
It takes at most so many bytes, wherever it was put. It ends when its input does, and lets go of everything.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

_NEXT = "500"
"""If the OOM killer looks beyond our group, it shall find this process before anybody else who is not meant."""
_PART = b"\1" * 65536


def press(most_bytes: int) -> None:
    """Take the memory, and keep it until the input ends."""
    if not sys.stdin.readline():
        return
    Path("/proc/self/oom_score_adj").write_text(_NEXT, encoding="utf-8")
    memory = os.memfd_create("pressure", os.MFD_CLOEXEC)
    for _ in range(most_bytes // len(_PART)):
        os.write(memory, _PART)
    sys.stdin.readline()


if __name__ == "__main__":
    press(int(sys.argv[1]))
