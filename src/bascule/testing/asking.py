"""Does the system answer a client? One request, as a client would make it, at one place."""

from __future__ import annotations

import http.client
import socket
import struct

from bascule.system.model import Workload

_SSL_REQUEST = struct.pack("!II", 8, 80877103)
_SERVER_ERRORS = 500


def answers(place: tuple[str, int], workload: Workload, limit_s: float) -> bool:
    """Whether a request at this place is answered in time: HTTP by less than 500, PostgreSQL by the server itself.

    Nothing is written, and nobody signs in: being refused for that is an answer.

    Source: PostgreSQL documentation, "Message Flow", SSL Session Encryption: a server answers `S` or `N`; a proxy with
    no server behind it closes the connection.
    """
    ask = _postgresql if workload.protocol == "postgresql" else _http
    try:
        return ask(place, workload, limit_s)
    except (OSError, http.client.HTTPException):
        return False


def _http(place: tuple[str, int], workload: Workload, limit_s: float) -> bool:
    reads = [each.path for each in workload.operations if each.method == "GET" and not each.writes]
    plain = [path for path in reads if "{" not in path]
    connection = http.client.HTTPConnection(*place, timeout=limit_s)
    try:
        connection.request("GET", plain[0] if plain else "/")
        return connection.getresponse().status < _SERVER_ERRORS
    finally:
        connection.close()


def _postgresql(place: tuple[str, int], _: Workload, limit_s: float) -> bool:
    with socket.create_connection(place, timeout=limit_s) as line:
        line.sendall(_SSL_REQUEST)
        return line.recv(1) in {b"S", b"N"}
