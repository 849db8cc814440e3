"""The tap in a host's wire: `python -m bascule.lab.tap HOST BRIDGE` carries its frames, as late and as bad as ordered.

The arguments number two packet sockets: where frames of the host come from, and where the rest of the network is. Its
standard input is the socket on which the supervisor gives orders; when that closes, the tap ends. It has no capability
of its own: the sockets were opened for it.
"""

from __future__ import annotations

import select
import socket
import sys
import time
from random import SystemRandom

import msgspec
from msgspec import Struct

from bascule.chaos.traffic import TrafficCounts, Trouble
from bascule.kernel.dice import SeededDice
from bascule.lab import syscalls
from bascule.lab.tap_schedule import Leaving, TapSchedule, Way

FRAME_BYTES = 2048  # frames are whole and at most 1514 bytes: offloads are off
ORDER_BYTES = 2**18
_BATCH = 64


class Order(Struct, frozen=True, kw_only=True):
    """These troubles and no others; None: only tell the counts."""

    number: int
    troubles: tuple[Trouble, ...] | None = None


class Done(Struct, frozen=True, kw_only=True):
    """The order of this number holds from now on; what each trouble did so far."""

    number: int
    counts: tuple[TrafficCounts, ...]


class Tap:
    """Carries frames between a host and its bridge, both ways."""

    def __init__(self, host: socket.socket, bridge: socket.socket, orders: socket.socket) -> None:
        self._sides: dict[Way, socket.socket] = {"in": host, "out": bridge}
        self._orders = orders
        self._schedule = TapSchedule(SeededDice(SystemRandom().getrandbits(64)))
        self._decode = msgspec.json.Decoder(Order).decode
        self.lost = 0

    def run(self) -> None:
        """Carry frames until the supervisor hangs up."""
        host, bridge = self._sides["in"], self._sides["out"]
        ways: dict[int, tuple[socket.socket, Way]] = {host.fileno(): (host, "out"), bridge.fileno(): (bridge, "in")}
        readable = [*ways, self._orders.fileno()]
        while True:
            next_s = self._schedule.next_s()
            wait_s = None if next_s is None else max(0.0, next_s - time.monotonic())
            # select, not epoll: its timeout is in microseconds, epoll's in milliseconds.
            ready = select.select(readable, (), (), wait_s)[0]
            for leaving in self._schedule.leaving(time.monotonic()):
                self._send(leaving)
            for descriptor in ready:
                if descriptor in ways:
                    self._receive(*ways[descriptor])
                elif not self._obey():
                    return

    def _receive(self, side: socket.socket, way: Way) -> None:
        for _ in range(_BATCH):
            try:
                frame = side.recv(FRAME_BYTES)
            except OSError:
                return
            for leaving in self._schedule.admit(way, frame, time.monotonic()):
                self._send(leaving)

    def _send(self, leaving: Leaving) -> None:
        way, frame = leaving
        try:
            self._sides[way].send(frame)
        except OSError:
            self.lost += 1  # the wire is down, or its queue is full: a wire drops then

    def _obey(self) -> bool:
        data = self._orders.recv(ORDER_BYTES)
        if not data:
            return False
        order = self._decode(data)
        if order.troubles is not None:
            self._schedule.set_troubles(order.troubles)
        self._orders.send(msgspec.json.encode(Done(number=order.number, counts=self._schedule.counts())))
        return True


def main() -> int:
    """Run the tap on the descriptors that the arguments number."""
    syscalls.precise_timers()
    host, bridge = (socket.socket(fileno=int(text)) for text in sys.argv[1:3])
    Tap(host, bridge, socket.socket(fileno=0)).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
