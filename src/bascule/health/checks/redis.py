"""Redis: does it answer PING, asked over a socket in RESP."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from bascule.health.check import Check, refuse
from bascule.health.checks.wire import Wire, check_address, check_limit

Secret = Callable[[], str] | Path


def redis(
    host: str, port: int = 6379, *, user: str = "", password: Secret | None = None, timeout_s: float = 1.0
) -> Check:
    """Whether a Redis (or Valkey) answers PING: one that is loading its data, or whose primary is away, does not.

    Args:
        host: Name or address.
        port: The port.
        user: The user of its access list; empty for the default one.
        password: The file that holds it, or a function that returns it; read at each run, so it may be changed.
        timeout_s: For connecting and the answers together.

    Raises:
        InputError: A value is impossible.
    """
    check_address("redis", host, port)
    check_limit("redis", timeout_s)
    if password is not None and not callable(password) and not isinstance(password, Path):
        # The value is not shown: it may be the password itself.
        raise refuse("redis.password", "***", "be a pathlib.Path to a file or a function, so that it is in no code")
    if user and password is None:
        raise refuse("redis.user", user, "come with a password")

    def ask() -> None:
        secret = "" if password is None else _read(password)
        with Wire(host, port, timeout_s) as wire:
            if secret:
                wire.send(_command("AUTH", *([user] if user else []), secret))
                _expect(wire.line(), b"+OK", secret)
            wire.send(_command("PING"))
            _expect(wire.line(), b"+PONG", secret)

    return Check(ask, "dependency")


def _read(password: Secret) -> str:
    return password.read_text(encoding="utf-8").strip() if isinstance(password, Path) else password()


def _command(*words: str) -> bytes:
    """An array of bulk strings (RESP2)."""
    parts = [word.encode() for word in words]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)


def _expect(line: bytes, wanted: bytes, secret: str) -> None:
    if line != wanted:
        said = line.decode("utf-8", "replace").lstrip("-+")
        raise ConnectionError(said.replace(secret, "***") if secret else said)
