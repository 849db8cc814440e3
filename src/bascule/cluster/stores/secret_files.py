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
        with open(path, "rb") as file:  # noqa: PTH123 - its mode is asked of what was opened, not of the path
            mode = os.fstat(file.fileno()).st_mode
            content = file.read(SECRET_LIMIT_BYTES + 1)
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {error}", where=for_whom) from None
    if not stat.S_ISREG(mode) or mode & (stat.S_IRWXO | stat.S_IWGRP):
        raise InputError(f"{path} can be read by others", where=for_whom, hint="chmod 600, or 640 with a group")
    try:
        lines = content.decode().splitlines()
    except UnicodeDecodeError:
        raise InputError(f"{path} is not UTF-8", where=for_whom) from None
    if len(content) > SECRET_LIMIT_BYTES or not lines or not lines[0].strip():
        raise InputError(f"{path} has no secret in its first line", where=for_whom)
    return lines[0].strip()


def without(secrets: Iterable[str], text: object, limit: int = 300) -> str:
    """The text with every secret struck out, in one line of limited length."""
    shown = str(text)
    for secret in secrets:
        shown = shown.replace(secret, "***") if secret else shown
    return " ".join(shown.split())[:limit]
