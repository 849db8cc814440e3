"""The WAN switch: `python -m bascule.lab.wan FD...` carries frames between sites: late, lossy or not at all.

Its standard input is the socket on which the supervisor gives orders; when that closes, the switch ends. It has no
capability of its own: the sockets were opened for it.
"""

from __future__ import annotations

import select
import socket
import sys
import time
from random import SystemRandom

import msgspec
from msgspec import Struct

from bascule.kernel.dice import SeededDice
from bascule.lab import superframes, syscalls
from bascule.lab.wan_schedule import Line, Schedule

_BATCH = 64
_ORDER_BYTES = 4096
_MARK = b"\x02\xba\x03\x00\x00"
_TARGET = superframes.HEADER_BYTES + len(_MARK)


class Order(Struct, frozen=True, kw_only=True):
    """Shape the direction from one site to another. Sites are numbered from 1, as the arguments are."""

    number: int
    source: int
    target: int
    line: Line


class Done(Struct, frozen=True, kw_only=True):
    """The order of this number holds from now on."""

    number: int


class Switch:
    """Carries frames. The last byte of the target's MAC address is the number of its site."""

    def __init__(self, sites: dict[int, socket.socket], orders: socket.socket) -> None:
        self._sites = sites
        self._orders = orders
        self._schedule = Schedule()
        self._dice = SeededDice(SystemRandom().getrandbits(64))
        self._decode = msgspec.json.Decoder(Order).decode

    def run(self) -> None:
        """Carry frames until the supervisor hangs up."""
        numbers = {site.fileno(): number for number, site in self._sites.items()}
        readable = [*numbers, self._orders.fileno()]
        while True:
            next_s = self._schedule.next_s()
            wait_s = None if next_s is None else max(0.0, next_s - time.monotonic())
            # select, not epoll: its timeout is in microseconds, epoll's in milliseconds.
            ready = select.select(readable, (), (), wait_s)[0]
            for target, frame in self._schedule.leaving(time.monotonic()):
                self._send(target, frame)
            for descriptor in ready:
                if descriptor in numbers:
                    self._receive(numbers[descriptor])
                elif not self._obey():
                    return

    def _receive(self, source: int) -> None:
        site = self._sites[source]
        for _ in range(_BATCH):
            try:
                data = site.recv(superframes.MOST_BYTES)
            except OSError:
                return
            if data[_TARGET - len(_MARK) : _TARGET] != _MARK:
                continue  # broadcasts and strangers: routers know each other's addresses, so nobody has to ask
            target = data[_TARGET]
            pair = source, target
            now_s = time.monotonic()
            for frame in superframes.split(data) if self._schedule.is_for_each_frame(pair) else (data,):
                if self._schedule.admit(pair, frame, now_s, self._dice):
                    self._send(target, frame)

    def _send(self, target: int, frame: bytes) -> None:
        site = self._sites.get(target)
        if site is None:
            return
        try:
            site.send(frame)
        except OSError:
            self._schedule.dropped += 1  # the site's own queue is full: a wire drops then

    def _obey(self) -> bool:
        data = self._orders.recv(_ORDER_BYTES)
        if not data:
            return False
        order = self._decode(data)
        self._schedule.set_line((order.source, order.target), order.line)
        self._orders.send(msgspec.json.encode(Done(number=order.number)))
        return True


def main() -> int:
    """Run the switch on the descriptors that the arguments number."""
    syscalls.precise_timers()
    sites = {number: socket.socket(fileno=int(text)) for number, text in enumerate(sys.argv[1:], 1)}
    Switch(sites, socket.socket(fileno=0)).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
