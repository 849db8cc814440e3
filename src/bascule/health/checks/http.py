"""HTTP: does a page of another service answer with a status that counts as good."""

from __future__ import annotations

from collections.abc import Container
from urllib.parse import urlsplit

from bascule.health.check import Check, refuse
from bascule.health.checks.wire import Wire, check_address, check_limit

GOOD = range(200, 300)


def http(url: str, *, good: Container[int] = GOOD, timeout_s: float = 1.0) -> Check:
    """Whether a GET of this address is answered with a good status; only the status line is read.

    No redirect is followed, so nobody but the host in the address is ever asked, and no proxy is used.

    Args:
        url: `http://host:port/path` or `https://...`, without a user in it.
        good: The statuses that count as good.
        timeout_s: For connecting, the TLS handshake and the answer together.

    Raises:
        InputError: A value is impossible.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise refuse("http.url", url, "be like http://host:port/path or https://host/path")
    if parts.username is not None or parts.password is not None:
        raise refuse("http.url", "***", "have no user and no password in it")
    if any(not c.isascii() or not c.isprintable() or c == " " for c in url):
        raise refuse("http.url", url, "be printable ASCII without blanks")
    try:
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError as error:
        raise refuse("http.url", url, "have a port from 1 to 65535") from error
    check_address("http", parts.hostname, port)
    check_limit("http", timeout_s)
    host, is_secure = parts.hostname, parts.scheme == "https"
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    asked = (
        f"GET {target} HTTP/1.1\r\nHost: {parts.netloc}\r\nUser-Agent: bascule-health\r\nAccept: */*\r\n"
        "Connection: close\r\n\r\n"
    ).encode("ascii")

    def ask() -> None:
        with Wire(host, port, timeout_s) as wire:
            if is_secure:
                import ssl  # noqa: PLC0415 - who asks in clear does not pay for it

                wire.secure(ssl.create_default_context(), host)
            wire.send(asked)
            status = _status(wire.line())
        if status not in good:
            raise ConnectionError(f"it answers with status {status}")

    return Check(ask, "dependency")


def _status(line: bytes) -> int:
    """The status of a status line (RFC 9112, section 4)."""
    version, _, rest = line.partition(b" ")
    code = rest[:3]
    if not version.startswith(b"HTTP/1.") or len(code) != 3 or not code.isdigit():
        raise ConnectionError("what answers does not speak HTTP/1")
    return int(code)
