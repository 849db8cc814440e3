"""So many calls in a span of time: what a dependency can take, or what was agreed with it."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import KW_ONLY, dataclass
from typing import ClassVar, Literal, Never, Protocol, get_args

from bascule.guard.checks import callable_or_none, number, refuse, seconds, whole
from bascule.guard.deadline import time_left_s
from bascule.guard.errors import RateLimitedError
from bascule.guard.loom import Lines, Loom
from bascule.guard.per_key import PerKey
from bascule.guard.policy import Policy
from bascule.guard.rates import Rate, SlidingWindow, TokenBucket

Algorithm = Literal["token_bucket", "sliding_window"]


class SharedRates(Protocol):
    """Rates that several processes keep to together."""

    def rate(self, limit: RateLimit, key: str) -> Rate:
        """The rate of one key, shared under the limit's name; alone, it keeps to the limit itself."""
        ...


class KeyedRate:
    """The rate of one key, and whether it can be forgotten."""

    __slots__ = ("limit", "rate")

    def __init__(self, limit: RateLimit, rate: Rate) -> None:
        self.limit = limit
        self.rate = rate

    @property
    def is_idle(self) -> bool:
        """Whether a new one would say the same."""
        rate, now_s = self.rate, self.limit.home.world.now_s()
        if isinstance(rate, TokenBucket):
            return rate.is_rested(now_s)
        return rate.available(now_s) >= self.limit.most_at_once


@dataclass(eq=False)
class RateLimit(Policy[Never]):
    """At most `limit` calls are made in `per_s` seconds; a call waits for its turn for at most `wait_s`, or is refused.

    Attributes:
        limit: Calls, at least 1.
        per_s: In so many seconds, above 0.
        algorithm: `token_bucket` spreads calls evenly and lets `burst` of them come at once; `sliding_window` never
            lets more than `limit` through in any span of `per_s`, and remembers the time of each.
        burst: Calls that may come at once with a token bucket, at least 1; None for `limit`.
        warm_up_s: A token bucket that was idle comes back to its full rate over so many seconds; 0 for at once.
        wait_s: Seconds that a call waits at most, and never beyond its deadline; 0 refuses at once.
        key: Makes a key of a call's arguments: each key has a rate of its own.
        most_keys: Keys with a rate of their own; further ones share one.
        shared: Where several processes keep to the limit together; None for this process alone.

    Raises, when called:
        RateLimitedError: `retry_after_s` says when the next call may be made.
    """

    limit: int
    per_s: float = 1.0
    _: KW_ONLY
    algorithm: Algorithm = "token_bucket"
    burst: int | None = None
    warm_up_s: float = 0.0
    wait_s: float = 0.0
    key: Callable[..., Hashable] | None = None
    most_keys: int = 1000
    shared: SharedRates | None = None

    woven_options: ClassVar[frozenset[str]] = frozenset({"key", "shared"})

    def __post_init__(self) -> None:
        whole(self, "limit", least=1)
        seconds(self, "per_s")
        if self.algorithm not in get_args(Algorithm):
            raise refuse(self, "algorithm", self.algorithm, "token_bucket or sliding_window")
        if self.burst is not None:
            whole(self, "burst", least=1)
        seconds(self, "warm_up_s", above=False)
        if self.algorithm == "sliding_window" and (self.burst is not None or self.warm_up_s):
            field = "burst" if self.burst is not None else "warm_up_s"
            raise refuse(self, field, getattr(self, field), "left out: a sliding window has none")
        seconds(self, "wait_s", above=False)
        callable_or_none(self, "key")
        whole(self, "most_keys", least=1)
        if self.shared is not None and not callable(getattr(self.shared, "rate", None)):
            raise refuse(self, "shared", self.shared, "a store of shared rates, or None")
        number(self, "rate_per_s", least=1e-9, most=1e6)
        self._refused = 0
        self._rates = PerKey(self._new_rate, self.most_keys)

    @property
    def rate_per_s(self) -> float:
        """Calls per second in the long run."""
        return self.limit / self.per_s

    @property
    def most_at_once(self) -> int:
        """Calls that may come at once after a rest."""
        return self.limit if self.burst is None else self.burst

    def new_local_rate(self) -> Rate:
        """A rate for this process alone."""
        if self.algorithm == "sliding_window":
            return SlidingWindow(self.limit, self.per_s)
        return TokenBucket(self.rate_per_s, self.most_at_once, self.warm_up_s)

    def _new_rate(self, key: Hashable) -> KeyedRate:
        rate = self.new_local_rate() if self.shared is None else self.shared.rate(self, str(key))
        return KeyedRate(self, rate)

    def take(self, key: Hashable = "") -> tuple[float, float, Rate]:
        """Seconds to wait before the call may be made, when that will be, and the rate that it was taken from.

        Raises:
            RateLimitedError: That would be too long; nothing was taken.
        """
        world = self.home.world
        now_s = world.now_s()
        within_s = max(0.0, min(self.wait_s, time_left_s(now_s)))
        rate = self._rates.of(key).rate
        wait_s = rate.reserve(now_s, 1, within_s)
        if wait_s > within_s:
            self._refused += 1
            raise self.refusal(RateLimitedError(self.home.name, wait_s))
        return wait_s, now_s + wait_s, rate

    def give_back(self, rate: Rate, due_s: float) -> None:
        """Hand back a permit whose wait was broken off."""
        rate.cancel(due_s)

    def _key_of(self, *args: object, **kwargs: object) -> Hashable:
        return self.key(*args, **kwargs) if self.key is not None else ""

    def weave(self, loom: Loom, inner: Lines) -> Lines:
        """A permit before, and the wait for it."""
        key = "$key(*args, **kwargs)" if self.key is not None else ""
        text = """
        $wait_s, $due_s, $rate = $take($KEY)
        if $wait_s:
            try:
                ${await}$sleep($wait_s)
            except BaseException:
                $give_back($rate, $due_s)
                raise
        $inner
        """.replace("$KEY", key)
        world = self.home.world
        values: dict[str, object] = {
            "take": self.take,
            "give_back": self.give_back,
            "sleep": world.sleep_async if loom.is_async else world.sleep,
        }
        if self.key is not None:
            values["key"] = self._key_of
        return loom.text(text, inner, **values)

    def reconfigured(self) -> None:
        """Keep to the new limit from now on; calls that were let through stay counted."""
        self._rates.most = self.most_keys
        now_s = self.home.world.now_s()
        for keyed in self._rates.all():
            if isinstance(keyed.rate, TokenBucket) and self.algorithm == "token_bucket":
                keyed.rate.reconfigure(now_s, self.rate_per_s, self.most_at_once, self.warm_up_s)
            elif isinstance(keyed.rate, SlidingWindow) and self.algorithm == "sliding_window":
                keyed.rate.reconfigure(self.limit, self.per_s)
            elif self.shared is None:
                keyed.rate = self._follow(keyed.rate, now_s)

    def _follow(self, old: Rate, now_s: float) -> Rate:
        """A rate of the other algorithm, from which as many permits are taken."""
        fresh, taken = self.new_local_rate(), 0
        if isinstance(old, SlidingWindow):
            taken = old.limit - old.available(now_s)
        elif isinstance(old, TokenBucket) and not old.is_rested(now_s):
            taken = old.burst - old.available(now_s)
        if taken > 0:
            fresh.reserve(now_s, min(taken, self.most_at_once))
        return fresh

    def snapshot(self) -> dict[str, object]:
        """What a dashboard shows; `available` is the sum over all keys."""
        now_s = self.home.world.now_s()
        available = sum(keyed.rate.available(now_s) for keyed in self._rates.all())
        return {"limit": self.limit, "per_s": self.per_s, "available": available, "refused": self._refused}
