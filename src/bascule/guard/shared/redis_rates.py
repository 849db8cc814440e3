"""Rate limits that several processes keep to together, over Redis."""

from __future__ import annotations

from bascule.guard.checks import seconds
from bascule.guard.shared.rates import LeasedRates
from bascule.guard.shared.redis_store import Connect, Password, RedisStore
from bascule.guard.stream import FACTS, Stream
from bascule.guard.world import REAL, World


class RedisRates(LeasedRates):
    """`RateLimit(..., shared=RedisRates(url))`: all processes together keep to the limit, as `rates` states exactly.

    No call waits for Redis or fails because of it: one daemon thread leases permits ahead. Without Redis each process
    keeps to the limit alone, and that is told once (`SharedStateLost`, `SharedStateFound`). `close()` ends the thread.

    Args:
        connect: A URL, or a function that makes a redis-py client.
        name: Processes that use the same name keep to their limits together.
        refresh_s: How often permits are leased while there is demand, in seconds.
        credit: Permits that a process may spend on each key before Redis has heard of it; None for the burst, 0 for
            the strict bound.
        timeout_s: How long the thread waits to connect, and for an answer, in seconds.
        user: The user of Redis' access list; empty for the default one.
        password: A function that gives the password, asked at each connection.
        world: Time and luck.
        facts: Where it tells what happened.

    Raises:
        InputError: One of them is impossible.
    """

    def __init__(
        self,
        connect: Connect,
        *,
        name: str = "bascule",
        refresh_s: float = 0.1,
        credit: int | None = None,
        timeout_s: float = 0.5,
        user: str = "",
        password: Password | None = None,
        world: World = REAL,
        facts: Stream = FACTS,
    ) -> None:
        self.timeout_s = timeout_s
        seconds(self, "timeout_s")
        store = RedisStore(connect, timeout_s=timeout_s, user=user, password=password)
        patience_s = refresh_s + 2 * timeout_s  # by then there is an answer, or it is known that there is none
        super().__init__(
            store, name=name, refresh_s=refresh_s, credit=credit, patience_s=patience_s, world=world, facts=facts
        )
