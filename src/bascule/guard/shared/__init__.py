"""How do several processes decide as one? Circuits and rate limits over Redis; each decides alone while it is away.

`RedisCircuits` and `RedisRates` need redis-py (the extra `bascule[redis]`); nothing is imported before they are asked
for. No call waits for Redis, and none fails because of it: a thread of its own talks to it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bascule.kernel.later import later

if TYPE_CHECKING:
    from bascule.guard.shared.facts import SharedValueIgnored
    from bascule.guard.shared.redis_circuits import RedisCircuits
    from bascule.guard.shared.redis_rates import RedisRates

__getattr__ = later(
    __name__,
    {"RedisCircuits": "redis_circuits", "RedisRates": "redis_rates", "SharedValueIgnored": "facts"},
    extra="redis",
)

__all__ = ["RedisCircuits", "RedisRates", "SharedValueIgnored"]
