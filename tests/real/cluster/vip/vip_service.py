"""A service behind an address that it may not have yet: tells each that asks its name and the time of its machine.

Over UDP it answers; over TCP it tells the time by itself, every few milliseconds.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import sys
import time

_FREEBIND = {4: (socket.SOL_IP, 15), 6: (socket.IPPROTO_IPV6, 78)}
PORT = 7777
PAUSE_S = 0.005


def stamp() -> bytes:
    return b"%d" % time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def bound(kind: int, address: str) -> socket.socket:
    version = 6 if ":" in address else 4
    line = socket.socket(socket.AF_INET6 if version == 6 else socket.AF_INET, kind)
    line.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    line.setsockopt(*_FREEBIND[version], 1)
    line.bind((address, PORT))
    return line


def main() -> None:
    name = sys.argv[1].encode()
    questions = [bound(socket.SOCK_DGRAM, address) for address in sys.argv[2:]]
    doors = [bound(socket.SOCK_STREAM, address) for address in sys.argv[2:]]
    for door in doors:
        door.listen()
    guests: list[socket.socket] = []
    os.write(1, b"ready\n")
    while True:
        for ready in select.select([*questions, *doors], [], [], PAUSE_S)[0]:
            if ready in doors:
                guest, _ = ready.accept()
                guest.settimeout(0)
                guests.append(guest)
                continue
            with contextlib.suppress(OSError):  # the door is closed to the answer
                asked, sender = ready.recvfrom(100)
                ready.sendto(b"%s %s %s" % (asked, name, stamp()), sender)
        for guest in guests:
            with contextlib.suppress(OSError):  # it is cut off, or its queue is full
                guest.send(stamp() + b"\n")


main()
