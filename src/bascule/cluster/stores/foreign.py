"""What others keep beside the registers is passed over, never told as one."""

from __future__ import annotations

from bascule.cluster.stores.port import check_limits
from bascule.kernel.errors import InputError


def is_key(key: str) -> bool:
    """Whether `swap` would take this key."""
    try:
        check_limits(key, b"")
    except InputError:
        return False
    return True
