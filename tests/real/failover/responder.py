"""Answers each datagram with its own name and the time, from the address that was asked: what stands behind a VIP.

    python responder.py NAME PORT

The answer is `NAME SECONDS`, in seconds of CLOCK_BOOTTIME, which all hosts of a lab share.
"""

from __future__ import annotations

import socket
import sys
import time

IP_PKTINFO = 8  # of Linux; this Python may not have its name


def main() -> None:
    name, port = sys.argv[1], int(sys.argv[2])
    ear = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    ear.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
    ear.bind(("", port))
    while True:
        data, ancillary, _, sender = ear.recvmsg(200, 200)
        if len(ancillary) != 1:
            continue
        level, kind, where = ancillary[0]
        # interface 0: let the route decide; then the local address that was asked, as the one that answers
        source = b"\0\0\0\0" + where[4:8] + b"\0\0\0\0"
        now = time.clock_gettime(time.CLOCK_BOOTTIME)
        try:
            ear.sendmsg([data, f" {name} {now:.6f}".encode()], [(level, kind, source)], 0, sender)
        except OSError:
            continue  # the address was taken away, or its door closed, between question and answer


main()
