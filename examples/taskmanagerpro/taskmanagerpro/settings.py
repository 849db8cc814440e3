"""What TaskManagerPro is told from outside: environment variables alone; every mistake is named in one go. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeVar

Value = TypeVar("Value")
Address = tuple[str, int]


class Settings(NamedTuple):
    """Everything that differs from one replica to another, or from one place to another.

    The database's password is not here: libpq reads it by itself from the file that `PGPASSFILE` names.
    """

    listen: Address
    database_hosts: tuple[Address, ...]
    database_name: str
    database_user: str
    session_hosts: tuple[Address, ...]
    session_passfile: str
    instance: str


class SettingsError(Exception):
    """The environment does not say what it must; the message lists every variable that is missing or wrong."""


def port_of(text: str) -> int:
    """The port that the text says, in 1 to 65535.

    Raises:
        ValueError: It says something else.
    """
    port = int(text)
    if not 1 <= port <= 65535:
        raise ValueError("a port is a number from 1 to 65535")
    return port


def addresses_of(text: str) -> tuple[Address, ...]:
    """`a:5000,b:5000` as addresses in the same order; at least one.

    Raises:
        ValueError: A part is not `host:port`, or there is none.
    """
    addresses = []
    for part in text.split(","):
        host, colon, port = part.strip().rpartition(":")
        if not (colon and host):
            raise ValueError(f"{part!r} is not host:port")
        addresses.append((host.strip("[]"), port_of(port)))
    return tuple(addresses)


def read(environment: Mapping[str, str]) -> Settings:
    """The settings that these variables hold.

    Raises:
        SettingsError: At least one is missing or wrong; all of them are named.
    """
    wrong: list[str] = []

    def take(name: str, convert: Callable[[str], Value], fallback: Value) -> Value:
        text = environment.get(name, "").strip()
        if not text:
            wrong.append(f"{name}: missing")
            return fallback
        try:
            return convert(text)
        except ValueError as error:
            wrong.append(f"{name}: {error}")
            return fallback

    settings = Settings(
        listen=(environment.get("LISTEN_ADDRESS") or "127.0.0.1", take("LISTEN_PORT", port_of, 0)),
        database_hosts=take("DATABASE_HOSTS", addresses_of, ()),
        database_name=take("DATABASE_NAME", str, ""),
        database_user=take("DATABASE_USER", str, ""),
        session_hosts=take("SESSION_HOSTS", addresses_of, ()),
        session_passfile=environment.get("SESSION_PASSFILE", ""),
        instance=environment.get("INSTANCE") or "taskmanagerpro",
    )
    if wrong:
        raise SettingsError("; ".join(wrong))
    return settings
