"""Rate limits that several processes keep to together, by leasing permits from a store.

**The bound.** With `lease_s = 3 * refresh_s`, and while the store answers, all processes together make at most
`most_calls(limit, span_s, processes)` calls in any `span_s` seconds:

- a token bucket: `rate * (span_s + lease_s) + capacity + processes * credit`. The store's bucket holds `capacity`
  permits: the burst, less `rate * lease_s` without credit; or what this rate needs in `2 * refresh_s`, if that is more.
  Without credit this is the limit's own `rate * span_s + burst`, wherever the burst is at least
  `rate * (lease_s + 2 * refresh_s) + 1`;
- a sliding window: `limit + processes * credit` in any `per_s` seconds. The store counts over `per_s + lease_s`, and in
  slots of a 32nd of that, so that without credit the limit is exact; the price is that share of the throughput.

Why: a permit is counted in the store before it is used, at most `lease_s` before (on the process' own clock, from
before it was asked for). What is used within `span_s` was thus given out within `span_s + lease_s`, or spent on credit.
A process owes at most its credit; it pays with the next question, and the store gives nothing while it is owed.

**Credit** is what a process may spend before the store has heard of it: the first call of a key has no lease yet. It
is the limit's burst unless it is said otherwise: a call is then never refused only because an answer is on its way.
With `credit=0` there is no call without a lease: the first one of each key is refused, and no call can wait.

**Alone.** While the store is lost, or has not answered for `patience_s`, each process keeps to the limit by itself:
so many processes, so many times the limit. What was spent then is not charged later. A store that loses its memory
counts from full buckets again.
"""

from __future__ import annotations

import math
import threading
import weakref
from collections import deque
from typing import TYPE_CHECKING

from bascule.guard.checks import seconds, whole
from bascule.guard.policy import Home
from bascule.guard.rates import Rate
from bascule.guard.shared.circuits import check_name, name_in_store
from bascule.guard.shared.courier import LATE, SOON, Courier
from bascule.guard.shared.facts import SharedValueIgnored
from bascule.guard.shared.leases import LeasedRate, Question
from bascule.guard.shared.permits import Ask, Terms
from bascule.guard.shared.sharing import Sharing
from bascule.guard.shared.store import PermitStore, StoreLostError
from bascule.guard.stream import FACTS, Stream
from bascule.guard.world import REAL, World

if TYPE_CHECKING:
    from bascule.guard.rate_limit import RateLimit

AT_ONCE = 100
"""Rates in one question to the store: its answer must not take long."""


class LeasedRates(Sharing):
    """Gives `RateLimit(..., shared=...)` its rates.

    Args:
        store: Where permits are leased.
        name: Processes that use the same name keep to their limits together; 1 to 100 printable characters.
        refresh_s: How often permits are leased while there is demand, in seconds.
        credit: Permits that a process may spend on each key before the store has heard of it; None for the burst.
        patience_s: A process that had no answer for so long decides alone, in seconds.
        world: Time and luck.
        facts: Where it tells that the store was lost, found, or holds what cannot be read.

    Raises:
        InputError: One of them is impossible.
    """

    def __init__(
        self,
        store: PermitStore,
        *,
        name: str = "bascule",
        refresh_s: float = 0.1,
        credit: int | None = None,
        patience_s: float = 1.0,
        world: World = REAL,
        facts: Stream = FACTS,
    ) -> None:
        self.name, self.refresh_s, self.credit, self.patience_s = name, refresh_s, credit, patience_s
        check_name(self, name)
        seconds(self, "refresh_s")
        seconds(self, "patience_s")
        if credit is not None:
            whole(self, "credit")
        self.lease_s = 3 * refresh_s
        self._store: PermitStore = store
        self._world = world
        self._used: deque[LeasedRate] = deque()
        self._rates: weakref.WeakSet[LeasedRate] = weakref.WeakSet()
        self._making = threading.Lock()
        self._courier = Courier(Home(name, world, facts), self, refresh_s)

    def rate(self, limit: RateLimit, key: str) -> Rate:
        """The rate of one key, shared under the limit's name; alone, it keeps to the limit itself."""
        name = f"{{bascule:{self.name}}}:rate:{name_in_store(limit.home.name)}:{name_in_store(key)}"
        rate = LeasedRate(self, limit, name)
        with self._making:
            self._rates.add(rate)
        return rate

    @property
    def is_lost(self) -> bool:
        """Whether the store is known not to answer, or nobody asks it any more."""
        return self._courier.is_lost or self._courier.is_closed

    def in_use(self, rate: LeasedRate, *, soon: bool) -> None:
        """Let the rate ask the store at the next turn, or at once. Called within guarded calls: it never waits."""
        self._used.append(rate)
        self._courier.wake(SOON if soon else LATE)

    def ensure(self) -> None:
        """See that there is a thread that asks."""
        self._courier.ensure()

    def terms(self, limit: RateLimit) -> Terms:
        """What a limit comes to in the store, so that it holds although permits are used later than they are given."""
        if limit.algorithm == "sliding_window":
            return Terms("window", limit.limit, (limit.per_s + self.lease_s) * 1e6)
        enough = math.ceil(2 * self.refresh_s * limit.rate_per_s)
        late = self.lease_s * limit.rate_per_s if self.credit == 0 else 0.0
        capacity = max(1, enough, math.floor(limit.most_at_once - late))
        return Terms("bucket", capacity, 1e6 / limit.rate_per_s)

    def credit_of(self, limit: RateLimit) -> int:
        """How many permits a process may spend before the store has heard of them."""
        return limit.most_at_once if self.credit is None else self.credit

    def most_calls(self, limit: RateLimit, span_s: float, processes: int) -> float:
        """How many calls all processes together make at most in any `span_s` seconds, while the store answers."""
        owed = processes * self.credit_of(limit)
        if limit.algorithm == "sliding_window":
            return limit.limit * math.ceil(span_s / limit.per_s) + owed
        return limit.rate_per_s * (span_s + self.lease_s) + self.terms(limit).capacity + owed

    def turn(self, *, must_ask: bool = False) -> bool:
        """Pay and lease once, for every rate that was used. Called by the courier; a test without one calls it itself.

        Raises:
            StoreLostError: The store does not answer.
        """
        used = dict.fromkeys(self._used.popleft() for _ in range(len(self._used)))
        now_s = self._world.now_s()
        questions = [(rate, rate.question(now_s, self.refresh_s)) for rate in used]
        try:
            if must_ask:
                canary = Ask(f"{{bascule:{self.name}}}:canary", Terms("bucket", 1, 1e6), 0, 0)
                self._store.lease([canary])  # it writes: a store that only answers PING is of no use
            return self._lease(questions)
        except StoreLostError:
            for rate in used:
                rate.unanswered()
            raise

    def _lease(self, questions: list[tuple[LeasedRate, Question]]) -> bool:
        is_busy = False
        for start in range(0, len(questions), AT_ONCE):
            some = questions[start : start + AT_ONCE]
            answers = self._store.lease([question.ask for _, question in some])
            for (rate, question), answer in zip(some, answers, strict=True):
                if answer.is_garbage and not rate.is_told:
                    self._courier.tell(SharedValueIgnored, key=rate.key)
                rate.is_told = answer.is_garbage
                is_busy |= rate.answered(question, answer, self._world.now_s())
        return is_busy

    def forked(self) -> None:
        """Have and owe nothing: that is the parent's."""
        self._making = threading.Lock()
        self._used.clear()
        for rate in list(self._rates):
            rate.begin_anew()
        self._store_forked()

    def __repr__(self) -> str:
        """Its name; nothing of where the store is."""
        return f"<{type(self).__name__} {self.name!r}>"

    def snapshot(self) -> dict[str, object]:
        """What a dashboard shows."""
        return {"name": self.name, "is_lost": self.is_lost, "rates": len(self._rates)}
