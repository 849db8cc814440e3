"""The port behind which leases live: registers that are written only by compare-and-swap. Pure."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

from msgspec import Struct

from bascule.kernel.errors import InputError

VALUE_LIMIT_BYTES = 256 * 1024
KEY_LIMIT = 200


class Entry(Struct, frozen=True, kw_only=True):
    """One register as the store has it.

    Attributes:
        key: Its name: letters, digits and `-_./`, at most `KEY_LIMIT` characters.
        value: What was written last.
        revision: Grows with every write of this key, and never comes again, not even after the key was removed and made
            anew (as far as the store can promise that; each adapter says).
    """

    key: str
    value: bytes
    revision: int


class Store(Protocol):
    """Registers that all agents of a cluster share; every answer is linearizable: no older than what was acknowledged.

    All methods may raise `StoreError`: not reached, not answered within the adapter's own time limit, refused. After a
    `StoreError` of `swap` it is not known whether the write happened; it may even happen later. Cancelling a call is
    always possible, and means the same.
    """

    name: str
    """For people: `etcd at 10.0.0.1:2379`."""

    async def read(self, prefix: str) -> tuple[Entry, ...]:
        """Every register whose key begins with `prefix`, as they were together at one moment."""
        ...

    async def swap(self, key: str, value: bytes, expected: int) -> int | None:
        """Write the register if its revision is still `expected` (0: if there is none).

        Returns:
            Its new revision, greater than every earlier one; None when another revision was there, and nothing was
            written.

        Raises:
            InputError: The key or the value breaks a limit.
        """
        ...

    def watch(self, prefix: str) -> AsyncIterator[Entry]:
        """Registers as they are written from now on; of a register that is written often, at least the latest value.

        The first entry may come only after a write that follows the first `anext`. Ends by raising `StoreError` once
        entries may have been missed; the caller reads anew and watches again. A watch that falls silent is not noticed
        by everyone: callers read from time to time all the same.
        """
        ...

    async def close(self) -> None:
        """Let go of connections; once more does no harm."""
        ...


def check_limits(key: str, value: bytes) -> None:
    """Refuse what no store should be asked to keep.

    Raises:
        InputError: The key is empty, too long or has other characters; or the value is too large.
    """
    if not key or len(key) > KEY_LIMIT or not all(one.isalnum() or one in "-_./" for one in key) or not key.isascii():
        raise InputError(f"{key[:60]!r} cannot be a key", hint="letters, digits and -_./, at most 200 of them")
    if len(value) > VALUE_LIMIT_BYTES:
        raise InputError(f"a value of {len(value)} bytes is too large", where=key)
