"""Strategies of disaster recovery: what each promises, what it is said to cost, and the cheapest that will do. Pure.

The strategies are those of the whitepaper "Disaster Recovery of Workloads on AWS". Their times and multiples are
commonly quoted ones: a saying of the trade and no measurement. What a strategy really reaches is what a drill of the
restore, or of the failover, shows.
"""

from __future__ import annotations

from fractions import Fraction

from msgspec import Struct

from bascule.availability.nines import spoken
from bascule.kernel.errors import InputError
from bascule.kernel.quantities import Duration

QUOTED = "commonly quoted"


class Strategy(Struct, frozen=True, kw_only=True):
    """One strategy.

    Attributes:
        name: What it is called.
        what: What it is.
        rto: After a disaster, served again within this time.
        rpo: How much of the latest work is lost, at most.
        multiple: What the whole system costs with it, as a multiple of what it costs with backups alone.
        source: Where the three numbers come from.
    """

    name: str
    what: str
    rto: Duration
    rpo: Duration
    multiple: float
    source: str


STRATEGIES = (
    Strategy(
        name="backup and restore",
        what="copies elsewhere; after a disaster everything is built again from them",
        rto=Duration(4 * 3600.0),
        rpo=Duration(24 * 3600.0),
        multiple=1.0,
        source=QUOTED,
    ),
    Strategy(
        name="pilot light",
        what="the data is replicated elsewhere; the rest is there, but does not run",
        rto=Duration(3600.0),
        rpo=Duration(3600.0),
        multiple=2.5,
        source=QUOTED,
    ),
    Strategy(
        name="warm standby",
        what="all of it runs elsewhere, smaller, and grows when it takes over",
        rto=Duration(900.0),
        rpo=Duration(60.0),
        multiple=5.0,
        source=QUOTED,
    ),
    Strategy(
        name="hot standby",
        what="all of it runs elsewhere in full size, and waits",
        rto=Duration(0.0),
        rpo=Duration(0.0),
        multiple=10.0,
        source=f"{QUOTED}; a switch takes seconds, and losing nothing takes synchronous replication",
    ),
    Strategy(
        name="active-active",
        what="all regions serve at once, and each can carry the load of all",
        rto=Duration(0.0),
        rpo=Duration(0.0),
        multiple=10.0,
        source="assumption: as much as a hot standby, whose regions it has; its data model must bear several writers",
    ),
)
"""All of them, the cheapest first."""


class Choice(Struct, frozen=True, kw_only=True):
    """One strategy against two objectives.

    Attributes:
        strategy: It.
        cost_per_year: What the system costs with it for a year; None where its cost now is not known.
        extra_per_year: How much more than now that is.
        misses: Which objective it misses, and by how much; empty if it meets both.
    """

    strategy: Strategy
    cost_per_year: float | None
    extra_per_year: float | None
    misses: tuple[str, ...] = ()

    @property
    def meets(self) -> bool:
        """Whether it meets both objectives."""
        return not self.misses


def choose(rto: Duration, rpo: Duration, infrastructure_per_year: float | None = None) -> tuple[Choice, ...]:
    """Every strategy: first those that meet both objectives, the cheapest first; then the others, with why not.

    Args:
        rto: Within which time the service must be back.
        rpo: How much of the latest work may be lost.
        infrastructure_per_year: What the system costs now, with backups alone, in any currency; 0 or more.

    Raises:
        InputError: The cost is negative, or not a finite number.
    """
    if infrastructure_per_year is not None and not 0 <= infrastructure_per_year < float("inf"):
        raise InputError(f"{infrastructure_per_year} is no cost of a year", hint="0 or more")
    choices = [_choice(each, rto, rpo, infrastructure_per_year) for each in STRATEGIES]
    return tuple(sorted(choices, key=lambda one: (not one.meets, one.strategy.multiple)))


def _choice(strategy: Strategy, rto: Duration, rpo: Duration, now: float | None) -> Choice:
    pairs = (("RTO", strategy.rto, rto), ("RPO", strategy.rpo, rpo))
    misses = tuple(
        f"{word} {reached} is {spoken(Fraction(reached.seconds - asked.seconds))} more than {asked}"
        for word, reached, asked in pairs
        if reached > asked
    )
    return Choice(
        strategy=strategy,
        cost_per_year=None if now is None else now * strategy.multiple,
        extra_per_year=None if now is None else now * (strategy.multiple - 1),
        misses=misses,
    )
