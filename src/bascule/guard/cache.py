"""Results kept for a while, and one call for all who ask for the same thing at the same time."""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable
from dataclasses import KW_ONLY, dataclass
from itertools import islice
from typing import Any, ClassVar, Never

from bascule.guard.checks import callable_or_none, seconds, whole
from bascule.guard.deadline import time_left_s
from bascule.guard.errors import DeadlineExceededError
from bascule.guard.keys import key_of, with_callable
from bascule.guard.loom import Lines, Loom
from bascule.guard.policy import Policy
from bascule.guard.shapes import Shape
from bascule.guard.waiting import TaskWaiter, ThreadWaiter, Waiter
from bascule.kernel.errors import InputError

_STREAM = "a stream is used up by the one who reads it; guard the call that opens it, or return a list"
A_YEAR_S = 3e7
LEAD, FOLLOW, HIT = range(3)


class Flight:
    """A call that is under way for everybody who asks for the same key."""

    __slots__ = ("error", "is_over", "leader", "result", "until_s", "waiters")

    def __init__(self, leader: object) -> None:
        self.leader = leader
        self.waiters: deque[Waiter] = deque()
        self.is_over = False
        self.result: object = None
        self.error: BaseException | None = None
        self.until_s = 0.0


@dataclass(eq=False)
class Cache(Policy[Never]):
    """A result is kept for `ttl_s`; those who ask for it while it is being fetched share that one call.

    A call that asks, inside, for the very key that it fetches would wait for itself, and is refused. An error is
    given to everybody who waited for it, and not kept. When the one who fetches is cancelled, or its own deadline
    passes (one around the cache), another of them takes over. Results are shared as they are: do not change them.
    Without `key`, the arguments must be hashable; those of a method include its object. Functions that share a cache
    never get each other's results.

    Attributes:
        ttl_s: Seconds for which a result is good; 0 to share only calls that are under way.
        key: Makes a key of a call's arguments; None for the arguments themselves.
        most: Results that are kept at most; those not used for longest go.

    Raises, when called:
        DeadlineExceededError: The deadline passed while another one fetched the result.
    """

    ttl_s: float
    _: KW_ONLY
    key: Callable[..., Hashable] | None = None
    most: int = 1000

    refused_shapes = {Shape.GENERATOR: _STREAM, Shape.ASYNC_GENERATOR: _STREAM}  # noqa: RUF012 - nobody writes to it
    refused_block: ClassVar[str] = "a block has no result to keep; guard a function"

    def __post_init__(self) -> None:
        seconds(self, "ttl_s", above=False)
        callable_or_none(self, "key")
        whole(self, "most", least=1)
        self._flights: OrderedDict[Hashable, Flight] = OrderedDict()
        self._lock = threading.RLock()
        self._under_way = 0
        self._hits = 0
        self._misses = 0
        self._shared = 0

    def look(
        self, call: object, args: tuple[Any, ...], kwargs: dict[str, Any], who: object
    ) -> tuple[int, Hashable, Flight]:
        """What to do for a call by `who`, a thread or task: fetch it (LEAD), wait for it (FOLLOW), take it (HIT).

        Raises:
            InputError: It is fetching that very result.
        """
        key = with_callable(call, key_of(self, self.key, args, kwargs))
        with self._lock:
            flight = self._flights.get(key)
            if flight is not None and not flight.is_over:
                if flight.leader == who:
                    raise InputError("Cache: a call asks for the result that it is fetching, and would wait for itself")
                self._shared += 1
                return FOLLOW, key, flight
            if flight is not None and flight.until_s > self.home.world.now_s():
                self._flights.move_to_end(key)
                self._hits += 1
                return HIT, key, flight
            self._misses += 1
            self._under_way += 1
            flight = self._flights[key] = Flight(who)
            self._flights.move_to_end(key)
            return LEAD, key, flight

    def land(self, key: Hashable, flight: Flight, result: object) -> None:
        """Give the result to all who wait, and keep it."""
        with self._lock:
            flight.result = result
            flight.until_s = self.home.world.now_s() + self.ttl_s
            if self._flights.get(key) is flight:  # the cache may have been cleared meanwhile
                self._under_way -= 1
                if self.ttl_s == 0:
                    del self._flights[key]
            self._over(flight)
            self._trim()

    def crash(self, key: Hashable, flight: Flight, error: BaseException) -> None:
        """Give the error to all who wait, or let them fetch the result themselves if it was only this caller's end."""
        is_own_end = not isinstance(error, Exception) or (
            isinstance(error, DeadlineExceededError) and time_left_s(self.home.world.now_s()) <= 0
        )
        with self._lock:
            if self._flights.get(key) is flight:
                self._under_way -= 1
                del self._flights[key]
            flight.error = None if is_own_end else error
            flight.until_s = -1.0
            self._over(flight)

    def _over(self, flight: Flight) -> None:
        flight.is_over = True
        flight.leader = None
        while flight.waiters:
            flight.waiters.popleft().grant()

    def _trim(self) -> None:
        excess = len(self._flights) - self._under_way - self.most
        if excess > 0:
            over = (key for key, flight in self._flights.items() if flight.is_over)
            for key in list(islice(over, excess)):
                del self._flights[key]

    def follow_thread(self, flight: Flight) -> ThreadWaiter:
        """A thread's place among those who wait."""
        waiter = ThreadWaiter()
        self._follow(flight, waiter)
        return waiter

    def follow_task(self, flight: Flight) -> TaskWaiter:
        """A task's place among those who wait."""
        waiter = TaskWaiter()
        self._follow(flight, waiter)
        return waiter

    def _follow(self, flight: Flight, waiter: Waiter) -> None:
        with self._lock:
            flight.waiters.append(waiter)
            if flight.is_over:
                self._over(flight)

    def unfollow(self, flight: Flight, waiter: Waiter) -> None:
        """Wait no more."""
        waiter.abandon()
        with self._lock:
            if waiter in flight.waiters:
                flight.waiters.remove(waiter)

    def left_s(self) -> float:
        """Seconds that a follower waits at most."""
        return min(A_YEAR_S, time_left_s(self.home.world.now_s()))

    def late(self) -> DeadlineExceededError:
        """Tell that the deadline passed; gives the error to be raised."""
        self.home.tell("DeadlinePassed")
        return DeadlineExceededError(self.home.name)

    def weave(self, loom: Loom, inner: Lines) -> Lines:
        """A look before, and the result for all after.

        Whoever raises lets go of the flight: the error's traceback holds the frame, and the flight holds the error.
        """
        return loom.text(
            """
            while True:
                $role, $key, $flight = $look(call, args, kwargs, $who())
                if $role == 2:
                    result = $flight.result
                    break
                if $role == 0:
                    try:
                        $inner
                    except BaseException as $error:
                        $crash($key, $flight, $error)
                        $flight = None
                        raise
                    $land($key, $flight, result)
                    break
                $waiter = $follow($flight)
                try:
                    $is_over = ${await}$waiter.wait($left_s())
                except BaseException:
                    $unfollow($flight, $waiter)
                    raise
                if not $is_over:
                    $unfollow($flight, $waiter)
                    raise $late()
                if $flight.error is not None:
                    try:
                        raise $flight.error
                    finally:
                        $flight = None
                if $flight.until_s >= 0.0:
                    result = $flight.result
                    break
            """,
            inner,
            look=self.look,
            who=_running_task if loom.is_async else threading.get_ident,
            crash=self.crash,
            land=self.land,
            follow=self.follow_task if loom.is_async else self.follow_thread,
            unfollow=self.unfollow,
            left_s=self.left_s,
            late=self.late,
        )

    def clear(self) -> None:
        """Forget every result. Those of calls under way are given to who waits for them already, and not kept."""
        with self._lock:
            self._flights.clear()
            self._under_way = 0

    def reconfigured(self) -> None:
        """Keep no more results than it may from now on."""
        with self._lock:
            self._trim()

    def snapshot(self) -> dict[str, object]:
        """What a dashboard shows. `shared`: calls that waited for another one's result."""
        return {
            "kept": len(self._flights) - self._under_way,
            "hits": self._hits, "misses": self._misses, "shared": self._shared,
        }  # fmt: skip


def _running_task() -> object:
    import asyncio  # noqa: PLC0415 - plain functions need no event loop

    return asyncio.current_task()
