"""Secrets come from files that nobody else can read, and never get into a text that people see."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable

from bascule.kernel.errors import InputError

SECRET_LIMIT_BYTES = 64 * 1024


def read_secret(path: str, *, for_whom: str) -> str:
    """The first line of a file that is not empty, and that others cannot read.

    Args:
        path: The file.
        for_whom: The option that names it, for messages.

    Raises:
        InputError: It cannot be read, others can read it, or it has no first line.
    """
    try:
        # Its mode is asked of what was opened, not of the path; a pipe that nobody writes to is not waited for.
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), "rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            content = file.read(SECRET_LIMIT_BYTES + 1) if stat.S_ISREG(mode) else b""
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {error}", where=for_whom) from None
    if not stat.S_ISREG(mode):
        raise InputError(f"{path} cannot be read: it is no file", where=for_whom)
    if mode & (stat.S_IRWXO | stat.S_IWGRP):
        raise InputError(f"{path} can be read by others", where=for_whom, hint="chmod 600, or 640 with a group")
    try:
        lines = content.decode().splitlines()
    except UnicodeDecodeError:
        raise InputError(f"{path} is not UTF-8", where=for_whom) from None
    if len(content) > SECRET_LIMIT_BYTES or not lines or not lines[0].strip():
        raise InputError(f"{path} has no secret in its first line", where=for_whom)
    return lines[0].strip()


def without(secrets: Iterable[str], text: object, limit: int = 300) -> str:
    """The text with every secret struck out, in one printable line of limited length."""
    shown = str(text)
    for secret in secrets:
        shown = shown.replace(secret, "***") if secret else shown
    return "".join(one if one.isprintable() else "?" for one in " ".join(shown.split())[:limit])
