"""Which addresses a network has, as its kernel says."""

from __future__ import annotations

import ctypes
import fcntl
import socket
import struct

_SIOCGIFCONF = 0x8912
_ENTRY_BYTES = 40  # struct ifreq on 64-bit machines: a name of 16 bytes, then a union, here a sockaddr_in
_MOST_ENTRIES = 256
_REQUEST = struct.Struct("@iP")


def of_network(line: socket.socket) -> frozenset[str]:
    """Every IPv4 address in the network namespace in which this socket was made, be its interface up or down.

    Source: netdevice(7), `SIOCGIFCONF`.
    """
    room = ctypes.create_string_buffer(_MOST_ENTRIES * _ENTRY_BYTES)
    request = bytearray(_REQUEST.pack(len(room), ctypes.addressof(room)))
    fcntl.ioctl(line.fileno(), _SIOCGIFCONF, request)
    used_bytes = _REQUEST.unpack(request)[0]
    entries = (room.raw[start : start + _ENTRY_BYTES] for start in range(0, used_bytes, _ENTRY_BYTES))
    return frozenset(socket.inet_ntoa(entry[20:24]) for entry in entries)
