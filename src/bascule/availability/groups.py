"""A group of identical replicas that fail, are repaired, and take over from each other, in the long run. Pure.

Four causes keep such a group from serving. Each is worked out alone (`own`, `switching`, `uncovered`, `common_cause`),
and all of them once more as one Markov chain (`total`), which knows what happens when they meet.

Sources: machine repair as a birth-death chain: K. S. Trivedi, "Probability and Statistics with Reliability, Queuing,
and Computer Science Applications", 2nd ed., Wiley, 2002, ch. 8; coverage: W. G. Bouricius, W. C. Carter, P. R.
Schneider, "Reliability modeling techniques for self-repairing computer systems", ACM National Conference, 1969, and
J. B. Dugan, K. S. Trivedi, "Coverage modeling for dependability analysis of fault-tolerant systems", IEEE Transactions
on Computers 38(6), 1989; common cause by a beta factor: NUREG/CR-4780 (1988) and IEC 61508-6, annex D.
"""

from __future__ import annotations

import math
from typing import Literal, TypeAlias

from msgspec import Struct

from bascule.availability.markov import steady_state
from bascule.kernel.errors import InputError

MOST_REPLICAS = 660
"""With more, the whole chain would have more states than can be solved."""

Mode: TypeAlias = Literal["serving", "switching", "uncovered", "common"]
Place: TypeAlias = tuple[int, Mode]
"""A state of the whole chain: how many replicas are down by their own failures, and what else is the matter."""


class Group(Struct, frozen=True, kw_only=True):
    """Identical replicas and what happens when one fails; all times are means of exponential distributions.

    Attributes:
        replicas: How many there are: n, 1 to 660.
        needed: How many of them carry the whole load: k of n; below that, nobody is served.
        mtbf_s: Mean time to failure of one replica, counted while it is up; all of its failures, shared ones included.
        mttr_s: Mean time to repair one replica, once a crew is at it.
        redundancy: `standby`: one serves, and its failure alone needs a failover. `active`: all serve, a share of 1/n
            of the requests each; the share of one that failed is lost until clients are led around it.
        failover_s: Mean length of an outage while a failover, or a detour, works as meant.
        coverage: The probability that it does.
        manual_s: Mean length of the outage when it does not.
        beta: The share of a replica's failures that take all replicas at once.
        crews: How many replicas can be repaired at the same time; 0: all of them.
        dormancy: How often a standby fails, as a share of how often the serving one does: 1 hot, 0 cold; without
            meaning where all are active.
    """

    replicas: int
    needed: int
    mtbf_s: float
    mttr_s: float
    redundancy: Literal["active", "standby"] = "active"
    failover_s: float = 0.0
    coverage: float = 1.0
    manual_s: float = 0.0
    beta: float = 0.0
    crews: int = 0
    dormancy: float = 1.0

    @property
    def own_rate_per_s(self) -> float:
        """How often one replica fails by itself."""
        return (1 - self.beta) / self.mtbf_s

    @property
    def shared_rate_per_s(self) -> float:
        """How often all of them fail at once: each counts it among its own failures, so it is beta x lambda, once."""
        return self.beta / self.mtbf_s

    @property
    def weight(self) -> float:
        """The share of requests that an outage of one failover or detour loses: all, or 1/n where all serve."""
        return 1.0 if self.redundancy == "standby" else 1 / self.replicas

    def failures_per_s(self, down: int) -> float:
        """How often some replica fails by itself, while this many are down."""
        up = self.replicas - down
        if up == 0:
            return 0.0
        dormancy = self.dormancy if self.redundancy == "standby" else 1.0
        return self.own_rate_per_s * (1 + (up - 1) * dormancy)

    def switches_per_s(self, down: int) -> float:
        """How often a failure calls for a failover or a detour: enough replicas must be left to carry the load."""
        up = self.replicas - down
        if up - 1 < self.needed:
            return 0.0
        return self.own_rate_per_s * (1 if self.redundancy == "standby" else up)

    def repairs_per_s(self, down: int) -> float:
        """How often some replica is repaired, while this many are down."""
        return (min(down, self.crews) if self.crews else down) / self.mttr_s


class Share3(Struct, frozen=True):
    """One cause of unavailability.

    Attributes:
        unavailability: The share of requests, offered evenly, that it loses in the long run. Where it loses all of them
            while it lasts, that is the share of time; a detour of an `active` group loses 1/n while it lasts.
        frequency_per_s: How often it begins.
        mean_s: How long it lasts, on average; 0 where it never begins.
    """

    unavailability: float
    frequency_per_s: float
    mean_s: float


class Behaviour(Struct, frozen=True, kw_only=True):
    """The long run of a group.

    Attributes:
        down_counts: The probability that exactly 0, 1, .. n replicas are down by their own independent failures.
        own: Fewer than needed are up, by their own failures.
        switching: A failover or detour that works is under way.
        uncovered: A failover or detour did not work, and a person is at it.
        common_cause: One failure took all replicas.
        total: The unavailability of the whole group as one chain of all causes: the figure to believe. The four parts
            add up to it but for `independence_error` of their sum, because each of them is worked out as if the others
            never happened.
    """

    down_counts: tuple[float, ...]
    own: Share3
    switching: Share3
    uncovered: Share3
    common_cause: Share3
    total: float

    @property
    def parts(self) -> float:
        """What the four causes add up to; the share of each in it says what would help most."""
        causes = (self.own, self.switching, self.uncovered, self.common_cause)
        return math.fsum(each.unavailability for each in causes)


def solve(group: Group) -> Behaviour:
    """The long run of a group: each cause alone, and all of them together.

    Raises:
        InputError: A number is out of its range.
    """
    _check(group)
    counts = down_counts(group)
    switches = math.fsum(share * group.switches_per_s(down) for down, share in enumerate(counts))
    return Behaviour(
        down_counts=counts,
        own=_own(group, counts),
        switching=_alternating(group.coverage * switches, group.failover_s, group.weight),
        uncovered=_alternating((1 - group.coverage) * switches, group.manual_s, group.weight),
        common_cause=_alternating(group.shared_rate_per_s, group.mttr_s, 1.0),
        total=_total(group),
    )


def independence_error(group: Group) -> float:
    """By which part of itself the sum of the parts may differ from `total`: n lambda (mttr + failover + manual).

    Two causes meet when a failure falls into the time that another one takes, and n replicas fail n times as often as
    one; where replicas wait for a crew, mttr counts as often as they may wait. A bound above 1 says nothing: then
    replicas are down as often as up.
    """
    times_s = group.mttr_s * _queue(group) + group.failover_s + group.manual_s
    return group.replicas * times_s / group.mtbf_s


def _queue(group: Group) -> float:
    """How many repairs long the wait for a crew may be."""
    return math.ceil(group.replicas / group.crews) if group.crews else 1


def down_counts(group: Group) -> tuple[float, ...]:
    """The probability that exactly 0, 1, .. n replicas are down by their own failures: a birth-death chain."""
    chain: dict[int, dict[int, float]] = {}
    for down in range(group.replicas + 1):
        chain[down] = {}
        if down < group.replicas:
            chain[down][down + 1] = group.failures_per_s(down)
        if down:
            chain[down][down - 1] = group.repairs_per_s(down)
    if group.own_rate_per_s == 0:
        return (1.0, *[0.0] * group.replicas)
    return tuple(steady_state(chain).values())


def _own(group: Group, counts: tuple[float, ...]) -> Share3:
    last = group.replicas - group.needed
    unavailability = math.fsum(counts[last + 1 :])
    begins = counts[last] * group.failures_per_s(last)
    return Share3(unavailability, begins, unavailability / begins if begins > 0 else 0.0)


def _alternating(rate_per_s: float, mean_s: float, weight: float) -> Share3:
    """What begins at this rate while it does not last, and loses this share of requests while it does."""
    busy = rate_per_s * mean_s
    return Share3(weight * busy / (1 + busy), rate_per_s / (1 + busy), mean_s if rate_per_s > 0 else 0.0)


def _total(group: Group) -> float:
    chain = whole_chain(group)
    return math.fsum(share * lost(group, place) for place, share in steady_state(chain).items())


def lost(group: Group, place: Place) -> float:
    """The share of requests that is lost in a state of the whole chain."""
    down, mode = place
    if mode == "common" or group.replicas - down < group.needed:
        return 1.0
    return 0.0 if mode == "serving" else group.weight


def whole_chain(group: Group) -> dict[Place, dict[Place, float]]:
    """The group as one chain, of the states that can be reached from the one in which all is well, which comes first.

    Replicas fail and are repaired during a failover too; one that fails meanwhile neither ends it nor starts another.
    The repair of a common cause brings every replica back, those included that were down before.
    """
    chain: dict[Place, dict[Place, float]] = {}
    front: list[Place] = [(0, "serving")]
    while front:
        place = front.pop()
        if place in chain:
            continue
        changes: dict[Place, float] = {}
        for target, rate in _changes(group, *place):
            if rate > 0 and target != place:
                changes[target] = changes.get(target, 0.0) + rate
        chain[place] = changes
        front += changes
    return chain


def _changes(group: Group, down: int, mode: Mode) -> list[tuple[Place, float]]:
    if mode == "common":
        return [((0, "serving"), 1 / group.mttr_s)]
    changes: list[tuple[Place, float]] = [((0, "common"), group.shared_rate_per_s)]
    if down:
        changes.append(((down - 1, mode), group.repairs_per_s(down)))
    if mode != "serving":
        mean_s = group.failover_s if mode == "switching" else group.manual_s
        return [*changes, ((down, "serving"), 1 / mean_s), ((down + 1, mode), group.failures_per_s(down))]
    switches = group.switches_per_s(down)
    return [
        *changes,
        ((down + 1, "switching" if group.failover_s else "serving"), switches * group.coverage),
        ((down + 1, "uncovered" if group.manual_s else "serving"), switches * (1 - group.coverage)),
        ((down + 1, "serving"), _quiet_failures(group, down)),
    ]


def _quiet_failures(group: Group, down: int) -> float:
    """How often a replica fails without calling for a failover: a standby, or one that was needed."""
    up = group.replicas - down
    if up - 1 < group.needed:
        return group.failures_per_s(down)
    return group.own_rate_per_s * (up - 1) * group.dormancy if group.redundancy == "standby" else 0.0


def _check(group: Group) -> None:
    problems = (
        (not 1 <= group.replicas <= MOST_REPLICAS, "replicas", group.replicas, f"1 to {MOST_REPLICAS}"),
        (not 1 <= group.needed <= group.replicas, "needed", group.needed, f"1 to the {group.replicas} there are"),
        (not 0 < group.mtbf_s < math.inf, "mtbf_s", group.mtbf_s, "above 0, and finite"),
        (not 0 < group.mttr_s < math.inf, "mttr_s", group.mttr_s, "above 0, and finite"),
        (not 0 <= group.failover_s < math.inf, "failover_s", group.failover_s, "0 or more, and finite"),
        (not 0 <= group.manual_s < math.inf, "manual_s", group.manual_s, "0 or more, and finite"),
        (not 0 <= group.coverage <= 1, "coverage", group.coverage, "0 to 1"),
        (not 0 <= group.beta <= 1, "beta", group.beta, "0 to 1"),
        (not 0 <= group.dormancy <= 1, "dormancy", group.dormancy, "0 to 1"),
        (group.crews < 0, "crews", group.crews, "0 or more"),
    )
    for wrong, name, value, right in problems:
        if wrong:
            raise InputError(f"a group of replicas cannot have {name} {value}", hint=right)
