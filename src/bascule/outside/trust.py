"""Whether a file may be believed: nobody but its owner and root can have written it, or put another in its place."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from bascule.kernel.errors import InputError

MAX_BYTES = 2**18


def read(path: Path) -> str:
    """The text of a file that nobody but this user and root can write.

    Raises:
        InputError: It is not there, somebody else could have written it, or it is no text.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", where=str(path)) from error
    with os.fdopen(descriptor, "rb") as stream:
        _check(os.fstat(stream.fileno()), path, wanted=stat.S_ISREG)
        for above in {*path.absolute().parents, *path.resolve().parents}:
            _check(above.stat(), above, wanted=stat.S_ISDIR)
        content = stream.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise InputError(f"larger than {MAX_BYTES >> 10} KiB", where=str(path))
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError("this is not UTF-8 text", where=str(path)) from error


def _check(found: os.stat_result, path: Path, *, wanted: object) -> None:
    is_directory = stat.S_ISDIR(found.st_mode)
    if not callable(wanted) or not wanted(found.st_mode):
        raise InputError("not an ordinary file", where=str(path))
    if found.st_uid not in {0, os.geteuid()}:
        hint = "only what root or you own is believed"
        raise InputError(f"it belongs to another user (uid {found.st_uid})", where=str(path), hint=hint)
    is_sticky = is_directory and bool(found.st_mode & stat.S_ISVTX)  # there nobody replaces what is another's
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not is_sticky:
        raise InputError("others may write it", where=str(path), hint=f"chmod go-w {path}")
