"""Asks an address every so often, and writes down each question and each answer: what a client sees of a VIP.

    python requester.py ADDRESS PORT EVERY_S FILE

A line of FILE for each answer: number, when it was asked, when it was answered, who answered, the answer's own time;
all of them in seconds of CLOCK_BOOTTIME. The first line is `begun SECONDS`; the last, after SIGTERM, `ended SECONDS`.
"""

from __future__ import annotations

import contextlib
import select
import signal
import socket
import sys
import time
from types import FrameType


def now_s() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def main() -> None:
    address, port, every_s = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    stopped = False

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal stopped
        del number, frame
        stopped = True

    signal.signal(signal.SIGTERM, stop)
    line = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    line.settimeout(0.0)
    asked: dict[int, float] = {}
    number, due_s = 0, now_s()
    with open(sys.argv[4], "w", buffering=1) as out:  # noqa: PTH123 - a script
        out.write(f"begun {due_s:.6f}\n")
        while not stopped:
            if now_s() >= due_s:
                number, due_s = number + 1, due_s + every_s
                asked[number] = now_s()
                with contextlib.suppress(OSError):  # nobody has the address: that is an outage, and is seen as one
                    line.sendto(str(number).encode(), (address, port))
            ready, _, _ = select.select([line], [], [], max(0.0, min(due_s - now_s(), every_s)))
            if ready:
                try:
                    words = line.recv(200).decode().split()
                except OSError:
                    continue  # it was told that nobody has the address
                at_s = now_s()
                out.write(f"{words[0]} {asked.pop(int(words[0]), at_s):.6f} {at_s:.6f} {words[1]} {words[2]}\n")
        out.write(f"ended {now_s():.6f}\n")


main()
