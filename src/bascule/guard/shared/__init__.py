"""How do several processes decide as one? Circuits and rate limits over Redis; each decides alone while it is away.

`RedisCircuits` and `RedisRates` need redis-py (the extra `bascule[redis]`); nothing is imported before they are asked
for. No call waits for Redis, and none fails because of it: a thread of its own talks to it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bascule.guard.shared.facts import SharedValueIgnored
    from bascule.guard.shared.redis_circuits import RedisCircuits
    from bascule.guard.shared.redis_rates import RedisRates

_WHERE = {"RedisCircuits": "redis_circuits", "RedisRates": "redis_rates", "SharedValueIgnored": "facts"}


def __getattr__(name: str) -> object:
    """What is asked for, from the module that has it: only then is that module imported."""
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(importlib.import_module(f"{__name__}.{_WHERE[name]}"), name)
    globals()[name] = value
    return value


__all__ = ["RedisCircuits", "RedisRates", "SharedValueIgnored"]
