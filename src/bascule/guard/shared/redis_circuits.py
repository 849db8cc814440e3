"""Circuits that follow those of other processes, over Redis."""

from __future__ import annotations

from bascule.guard.checks import seconds
from bascule.guard.shared.circuits import SharedCircuits
from bascule.guard.shared.redis_store import Connect, Password, RedisStore
from bascule.guard.stream import FACTS, Stream
from bascule.guard.world import REAL, World


class RedisCircuits(SharedCircuits):
    """Breakers that are shared open, close and probe with those of other processes; without Redis each stays alone.

    No call waits for Redis or fails because of it: one daemon thread talks to it, and tells `SharedStateLost` and
    `SharedStateFound` once each. `close()` ends the thread.

    Args:
        connect: A URL, or a function that makes a redis-py client.
        name: Processes that use the same name follow each other.
        refresh_s: How often Redis is asked what others did, in seconds. Own changes are sent at once.
        timeout_s: How long the thread waits to connect, and for an answer, in seconds.
        user: The user of Redis' access list; empty for the default one.
        password: A function that gives the password, asked at each connection.
        keep_s: For how long Redis keeps what no process asks for any more, in seconds.
        most_circuits: Circuits that are looked at in one refresh; of more than that, some each time.
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
        refresh_s: float = 0.5,
        timeout_s: float = 0.5,
        user: str = "",
        password: Password | None = None,
        keep_s: float = 3600.0,
        most_circuits: int = 1000,
        world: World = REAL,
        facts: Stream = FACTS,
    ) -> None:
        self.timeout_s = timeout_s
        seconds(self, "timeout_s")
        store = RedisStore(connect, timeout_s=timeout_s, user=user, password=password)
        super().__init__(
            store, name=name, refresh_s=refresh_s, keep_s=keep_s, most_circuits=most_circuits, world=world, facts=facts
        )
