"""Turns off what a network card would do for the kernel: frames on a wire are then whole, checksums included."""

from __future__ import annotations

import array
import errno
import fcntl
import socket
import struct

_SIOCETHTOOL = 0x8946
_OFFLOADS = {"tx checksum": 0x17, "scatter-gather": 0x19, "TSO": 0x1F, "GSO": 0x24, "GRO": 0x2C}


def plain_frames(interface: str, *, plain: bool = True) -> None:
    """Switch checksum, segmentation and receive offloads of an interface of this namespace off, or on again.

    Raises:
        OSError: The interface is not there. An offload that the kernel does not know was off already.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as control:
        for command in _OFFLOADS.values():
            value = array.array("I", [command, not plain])
            request = struct.pack("16sP16x", interface.encode(), value.buffer_info()[0])
            try:
                fcntl.ioctl(control, _SIOCETHTOOL, request)
            except OSError as error:
                if error.errno != errno.EOPNOTSUPP:
                    raise
