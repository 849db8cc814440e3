"""Asks a service again and again, whatever becomes of the answers: `client.py 10.88.1.8 5 answers.txt udp`.

Writes a line for each answer, `number name stamp`; at the end of its input, how many it asked.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import sys
import time

PORT = 7777


def udp(address: str, every_s: float, answers: int) -> None:
    line = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
    line.connect((address, PORT))
    line.settimeout(0)
    number = 0
    due_s = time.monotonic()
    while True:
        ready, _, _ = select.select([line.fileno(), 0], [], [], max(0.0, due_s - time.monotonic()))
        if 0 in ready:
            os.write(1, b"%d\n" % number)
            return
        with contextlib.suppress(OSError):  # nobody has the address now
            if line.fileno() in ready:
                os.write(answers, line.recv(200) + b"\n")
        if time.monotonic() >= due_s:
            due_s += every_s
            number += 1
            with contextlib.suppress(OSError):  # as above
                line.send(b"%d" % number)


def tcp(address: str, answers: int) -> None:
    with socket.create_connection((address, PORT)) as line:
        os.write(1, b"connected\n")
        while select.select([line.fileno(), 0], [], [])[0] == [line.fileno()]:
            if not (told := line.recv(4096)):
                return
            os.write(answers, told)


def main() -> None:
    address, every_ms, path, kind = sys.argv[1:]
    answers = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    if kind == "udp":
        udp(address, float(every_ms) / 1000, answers)
    else:
        tcp(address, answers)


main()
