"""The files of a lab: what engines rendered, and the identity by which a later command joins it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import msgspec
from msgspec import Struct

from bascule.engines.protocols import File
from bascule.kernel.errors import LabError
from bascule.kernel.quantities import Duration, Quantity, Rate, Share, Size
from bascule.system.model import System

IDENTITY = "identity.json"


class Identity(Struct, frozen=True, kw_only=True):
    """What a lab runs: the system, the file that it came from, the addresses' prefix, the passwords made for it."""

    system: System
    source: str
    prefix: str
    secrets: dict[str, str]


_QUANTITIES: tuple[type[Quantity], ...] = (Duration, Share, Rate, Size)


def _encode_quantity(value: object) -> object:
    if isinstance(value, _QUANTITIES):
        return str(value)
    raise TypeError(type(value))


def _decode_quantity(kind: type, value: object) -> object:
    if kind is object:
        return value  # an engine's options, which it checks itself
    for quantity in _QUANTITIES:
        if kind is quantity:
            return quantity.parse(str(value))
    raise TypeError(kind)


def write_atomically(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Put `data` at `path`, whole or not at all, durably.

    Raises:
        OSError: The disk is full, or the directory cannot be written.
    """
    temporary = path.with_name(f".{path.name}.new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_identity(directory: Path, identity: Identity) -> None:
    """Keep the identity, readable by its owner alone."""
    data = msgspec.json.encode(identity, enc_hook=_encode_quantity)
    write_atomically(directory / IDENTITY, data, 0o600)


def read_identity(directory: Path) -> Identity:
    """The identity of the lab in this directory.

    Raises:
        LabError: There is none, or it cannot be read.
    """
    path = directory / IDENTITY
    try:
        return msgspec.json.decode(path.read_bytes(), type=Identity, dec_hook=_decode_quantity)
    except (OSError, msgspec.DecodeError) as error:
        raise LabError(
            f"this lab cannot be joined: {error}", where=str(path), hint="bascule lab down, then up"
        ) from error


def forget(directory: Path) -> None:
    """Remove the identity, and with it the passwords, of a lab that is down."""
    (directory / IDENTITY).unlink(missing_ok=True)


def write_rendered(directory: Path, file: File) -> None:
    """Write one rendered file below `directory`; a secret one is never readable by others, not even for a moment.

    Raises:
        LabError: It would lie outside of the directory.
    """
    relative = PurePosixPath(file.path)
    if relative.is_absolute() or ".." in relative.parts:
        raise LabError("a rendered file lies outside of its directory", where=file.path)
    path = directory / relative
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600 if file.secret else 0o644)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(file.text)


def write_rendering(directory: Path, rendered: Sequence[File]) -> None:
    """Write what was rendered for a member, or for a companion, below its directory.

    Raises:
        LabError: A file would lie outside of it.
    """
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    for file in rendered:
        write_rendered(directory, file)
