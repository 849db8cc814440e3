"""Finds out, before an address is claimed, whether somebody else answers for it.

Source: RFC 5227 section 2.1.1; RFC 4862 section 5.4.
"""

from __future__ import annotations

import array
import asyncio
import contextlib
import socket
import struct
from collections.abc import Collection, Iterator

from bascule.cluster.actuators import frames
from bascule.cluster.actuators.addresses import Ip, Link
from bascule.cluster.actuators.neighbours import Neighbour

_QUESTIONS = 3
_LOOKS = 4  # per question
_ATTACH_FILTER = 26
_OTHERS = 3  # PACKET_OTHERHOST: not for us, for instance from a VLAN that we are not in
_FRAME_BYTES = 2048


async def find_stranger(link: Link, ip: Ip, own: Collection[bytes], wait_s: float) -> bytes | None:
    """The link address of somebody else who has this address; None when nobody answered within the time.

    Args:
        link: Where to ask.
        ip: None of this machine's own addresses, or one behind a closed door.
        own: Link addresses of this machine.
        wait_s: How long to wait for answers, in seconds.

    Raises:
        OSError: It cannot be asked: the interface is down or gone.
    """
    flags = socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
    try:
        line = socket.socket(socket.AF_PACKET, flags, 0)
    except PermissionError:  # no CAP_NET_RAW: the kernel asks, in its own name
        return await _ask_by_kernel(link, ip, own, wait_s)
    with _closed_aside(line):
        if ip.version == 6:
            _attach(line)
        line.bind((link.name, frames.ETHERTYPE_ARP if ip.version == 4 else frames.ETHERTYPE_IPV6))
        return await _ask(line, link, ip, own, wait_s)


@contextlib.contextmanager
def _closed_aside(line: socket.socket) -> Iterator[None]:
    """Close the socket in another thread: the kernel takes some 10 ms for a raw one, in which the loop would stand."""
    try:
        yield
    finally:
        asyncio.get_running_loop().run_in_executor(None, line.close)


def _attach(line: socket.socket) -> None:
    """Let nothing but advertisements in: a busy interface would fill the buffer before the answer came."""
    code = b"".join(struct.pack("=HBBI", *one) for one in frames.ICMPV6_ADVERTISEMENT_FILTER)
    kept = array.array("B", code)
    program = struct.pack("@HP", len(frames.ICMPV6_ADVERTISEMENT_FILTER), kept.buffer_info()[0])
    line.setsockopt(socket.SOL_SOCKET, _ATTACH_FILTER, program)


async def _ask(line: socket.socket, link: Link, ip: Ip, own: Collection[bytes], wait_s: float) -> bytes | None:
    loop = asyncio.get_running_loop()
    heard: asyncio.Future[bytes] = loop.create_future()

    def listen() -> None:
        while True:
            try:
                frame, sender = line.recvfrom(_FRAME_BYTES)
            except BlockingIOError:
                return
            except OSError as error:
                if not heard.done():
                    heard.set_exception(error)
                return
            mac = frames.claimant(frame, ip) if sender[2] != _OTHERS else None
            if mac is not None and mac not in own and not heard.done():
                heard.set_result(mac)

    loop.add_reader(line, listen)
    try:
        for _ in range(_QUESTIONS):
            line.send(frames.probe(link.mac, ip))
            done, _ = await asyncio.wait({heard}, timeout=wait_s / _QUESTIONS)
            if done:
                return heard.result()
    finally:
        loop.remove_reader(line)
        heard.cancel()
    return None


async def _ask_by_kernel(link: Link, ip: Ip, own: Collection[bytes], wait_s: float) -> bytes | None:
    with contextlib.closing(Neighbour(link.index, ip)) as neighbour:
        try:
            for look in range(_QUESTIONS * _LOOKS):
                if look % _LOOKS == 0:
                    neighbour.ask()
                await asyncio.sleep(wait_s / (_QUESTIONS * _LOOKS))
                mac = neighbour.answer()
                if mac is not None:
                    return None if mac in own else mac
        finally:
            neighbour.forget()
    return None
