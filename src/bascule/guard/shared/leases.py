"""One rate as a process sees it: permits that it has leased, and what it may spend before the store has answered."""

# ruff: noqa: FURB136, PLR1730 - a step may call nothing, not even `max`

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from bascule.guard.atomic import Stepped, atomic
from bascule.guard.rates import Rate
from bascule.guard.shared.permits import Answer, Ask, Terms

if TYPE_CHECKING:
    from bascule.guard.rate_limit import RateLimit


class Desk(Protocol):
    """Where permits are leased: what a rate needs of it, none of which waits."""

    lease_s: float
    patience_s: float

    @property
    def is_lost(self) -> bool:
        """Whether the store is known not to answer."""
        ...  # pragma: no cover - a protocol has no body

    def in_use(self, rate: LeasedRate, *, soon: bool) -> None:
        """Let the rate ask the store at the next turn, or at once."""
        ...  # pragma: no cover - as above

    def ensure(self) -> None:
        """See that there is somebody who asks."""
        ...  # pragma: no cover - as above

    def terms(self, limit: RateLimit) -> Terms:
        """What a limit comes to in the store."""
        ...  # pragma: no cover - as above

    def credit_of(self, limit: RateLimit) -> int:
        """How many permits may be spent before the store has heard of them."""
        ...  # pragma: no cover - as above


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked for a rate, and when it was sent."""

    ask: Ask
    sent_s: float


class LeasedRate(Stepped):
    """A `Rate` of which this process never has more than it leased, plus its credit.

    A permit comes from a lease, or on credit: as far as the store's last answer lets expect one, and no more than the
    limit's credit before the store has been told. While the store is away, or has not answered for too long, and
    always besides, the process keeps to the limit by a rate of its own.
    """

    __slots__ = (
        "__weakref__", "_asked_s", "_credit", "_credit_s", "_demand", "_desk", "_drawn", "_earlier_per_s", "_full_s",
        "_is_soon", "_is_used", "_lease", "_lease_end_s", "_limit", "_local", "_old", "_old_end_s", "_options", "_owed",
        "_per_permit_s", "_seen_s", "is_told", "key",
    )  # fmt: skip

    def __init__(self, desk: Desk, limit: RateLimit, key: str) -> None:
        super().__init__()
        self.key = key
        self.is_told = False
        self._desk = desk
        self._limit = limit
        self._local: Rate = limit.new_local_rate()
        self._options: object = None
        self._full_s = -math.inf  # when the store's permits are all there again, as far as is known
        self.begin_anew()
        self.take_options()

    def begin_anew(self) -> None:
        """Have nothing leased and owe nothing: as in the child of a fork, whose parent has and owes it."""
        self._old = self._lease = self._owed = self._demand = self._drawn = 0
        self._old_end_s = self._lease_end_s = self._seen_s = -math.inf
        self._asked_s = math.inf
        self._earlier_per_s = 0.0
        self._is_used = self._is_soon = False

    def take_options(self) -> None:
        """Keep to the limit as it is now; what was let through stays counted by the store alone."""
        limit = self._limit
        options = (limit.limit, limit.per_s, limit.algorithm, limit.burst, limit.warm_up_s)
        if options == self._options:
            return
        if self._options is not None:
            self._local = limit.new_local_rate()
        terms = self._desk.terms(limit)
        self._options = options
        self._credit = self._desk.credit_of(limit)
        self._per_permit_s = limit.per_s / limit.limit
        self._credit_s = terms.capacity * self._per_permit_s

    def reserve(self, now_s: float, permits: int = 1, within_s: float = math.inf, /) -> float:
        """Seconds until the permits fall due; they are reserved if that is at most `within_s`."""
        desk = self._desk
        if desk.is_lost or now_s - self._asked_s > desk.patience_s:
            desk.ensure()
            self._use(soon=False)
            return self._local.reserve(now_s, permits, within_s)
        alone_s = self._local.reserve(now_s, permits, -1.0)  # a look: nothing waits for less than no time
        if alone_s > within_s:
            return alone_s
        wait_s = self._draw(now_s, permits, within_s)
        if not self._is_used or (self._asked_s <= now_s and not self._is_soon):
            self._use(soon=self._asked_s <= now_s and (wait_s <= 0 or self._full_s <= now_s))
        if wait_s > within_s:
            return wait_s
        return max(wait_s, self._local.reserve(now_s, permits, within_s))

    def _use(self, *, soon: bool) -> None:
        if soon and not self._is_soon:
            self._is_soon = self._is_used = True
            self._desk.in_use(self, soon=True)
        elif not self._is_used:
            self._is_used = True
            self._desk.in_use(self, soon=False)

    @atomic
    def _draw(self, now_s: float, permits: int, within_s: float, /) -> float:
        """The wait for permits of a lease or on credit; they are taken if it is at most `within_s`."""
        self._demand += permits
        if self._old >= permits and now_s < self._old_end_s:
            self._old -= permits
            self._drawn += permits
            return 0.0
        if self._lease >= permits and now_s < self._lease_end_s:
            self._lease -= permits
            self._drawn += permits
            return 0.0
        if now_s < self._asked_s:
            self._asked_s = now_s
        full_s = (self._full_s if self._full_s > now_s else now_s) + permits * self._per_permit_s
        wait_s = full_s - self._credit_s - now_s
        if wait_s < 1e-9:
            wait_s = 0.0
        if self._owed + permits > self._credit:
            # More cannot be promised before the store has answered.
            return within_s + (wait_s if wait_s > self._per_permit_s else self._per_permit_s)
        if wait_s <= within_s:
            self._full_s = full_s
            self._owed += permits
            self._drawn += permits
        return wait_s

    def try_take(self, now_s: float, permits: int = 1, /) -> float:
        """0.0 when the permits were taken; otherwise the wait after which they could be, and nothing was taken."""
        return self.reserve(now_s, permits, 0.0)

    def cancel(self, due_s: float, permits: int = 1, /) -> None:
        """Give back what was reserved and not used; what the store was told already is lost."""
        self._local.cancel(due_s, permits)
        self._forgive(permits)

    @atomic
    def _forgive(self, permits: int) -> None:
        if self._owed >= permits:
            self._owed -= permits
            self._full_s -= permits * self._per_permit_s

    def available(self, now_s: float, /) -> int:
        """How many permits could be taken at once; all of them once nothing is held or owed."""
        alone = self._local.available(now_s)
        if self._desk.is_lost:
            return alone
        leased = self._old * (now_s < self._old_end_s) + self._lease * (now_s < self._lease_end_s)
        if not leased and not self._owed and self._full_s <= now_s:
            return alone
        room = math.floor((now_s + self._credit_s - max(self._full_s, now_s)) / self._per_permit_s + 1e-9)
        return max(0, min(alone, leased + min(self._credit - self._owed, room)))

    def question(self, now_s: float, refresh_s: float) -> Question:
        """What to ask for: as many permits as both of the last two turns used, for the time of two turns.

        One turn alone is a burst that may be over; what is leased for it would be taken from others for nothing.
        """
        self._is_used = self._is_soon = False
        self.take_options()
        demand, drawn, owed = self._tally()
        per_s = demand / max(refresh_s, min(now_s - self._seen_s, 1e9))
        steady_per_s, self._earlier_per_s, self._seen_s = min(per_s, self._earlier_per_s), per_s, now_s
        unserved = demand - drawn if self._credit == 0 else 0
        stock = self._old * (now_s < self._old_end_s) + self._lease * (now_s < self._lease_end_s)
        terms = self._desk.terms(self._limit)
        wanted = max(math.ceil(2 * refresh_s * steady_per_s - 0.5), unserved)
        return Question(Ask(self.key, terms, owed, max(0, min(wanted, terms.capacity) - stock)), now_s)

    @atomic
    def _tally(self) -> tuple[int, int, int]:
        tally = (self._demand, self._drawn, self._owed)
        self._demand = self._drawn = 0
        return tally

    def answered(self, question: Question, answer: Answer, now_s: float) -> bool:
        """Take what the store gave; whether this rate is likely to be used on."""
        full_s = now_s + self._credit_s - answer.left * self._per_permit_s
        if answer.left < 1:
            full_s = max(full_s, now_s + answer.wait_s + self._credit_s - self._per_permit_s)
        self._take(question.ask.spent, answer.given, question.sent_s, self._desk.lease_s, full_s)
        return self._earlier_per_s > 0

    @atomic
    def _take(self, paid: int, given: int, sent_s: float, lease_s: float, full_s: float) -> None:
        self._asked_s = math.inf
        self._owed -= paid
        if self._owed < 0:
            self._owed = 0
        self._full_s = full_s + self._owed * self._per_permit_s
        if given:
            if self._old_end_s <= sent_s or self._old == 0:
                self._old = self._lease
                self._old_end_s = self._lease_end_s
            elif self._lease_end_s > sent_s:  # a third lease: the older two are one, and end with the first of them
                self._old += self._lease
            self._lease = given
            self._lease_end_s = sent_s + lease_s

    def unanswered(self) -> None:
        """The store is lost: what was leased is not used, since nobody knows what it will remember."""
        self.begin_anew()
