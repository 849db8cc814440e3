"""What a layout can survive, and what its times mean: quorum, witness, lease and cost. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import combinations

from msgspec import Struct

from bascule.cluster.decisions.lease import Timing

CLAIM_TRIPS = 2
"""Round trips to the store after the end of a lease: the dead session is ended, the group is claimed."""
MOST_VOTERS = 99


class Voter(Struct, frozen=True, kw_only=True):
    """A voting member of the store, and the site that it stands or falls with: a zone, a region, a rack."""

    name: str
    site: str


class Layout(Struct, frozen=True, kw_only=True):
    """What is to be explained.

    Attributes:
        voters: The store's members that vote; empty for a store without a quorum of its own (one PostgreSQL, a file).
        agents: The site of each agent, by its name.
        timing: The agents' lease.
        round_trip_s: From an agent to the store and back.
        election_s: How long the store may take to elect another leader: for etcd, about two election timeouts.
        hold: Agents hold without the store while every witness confirms.
        groups: How many groups an agent has.
    """

    voters: tuple[Voter, ...] = ()
    agents: dict[str, str] = {}
    timing: Timing = Timing()
    round_trip_s: float = 0.005
    election_s: float = 1.0
    hold: bool = False
    groups: int = 1


class Loss(Struct, frozen=True, kw_only=True):
    """The loss of one site or of two: who of the store's members is left, and whether they are a majority."""

    sites: tuple[str, ...]
    voters_left: int
    quorum: bool
    agents_left: tuple[str, ...]


class Times(Struct, frozen=True, kw_only=True):
    """What the lease means, in seconds. Takeover is until the group is claimed; what follows the lease comes on top.

    Attributes:
        renew_s: Between two renewals.
        stop_s: After a renewal was sent: the holder begins to stop unless another one was confirmed.
        valid_s: After a renewal was sent: the holder has stopped, and the kernel has closed its address.
        rival_s: After a rival saw a renewal: it may end the session.
        takeover_least_s, takeover_most_s: From the holder's death, or its separation, to the claim.
        with_leader_s: The most, if the store's leader goes with the holder.
        orderly_s: A handover, without what the service itself takes.
    """

    renew_s: float
    stop_s: float
    valid_s: float
    rival_s: float
    takeover_least_s: float
    takeover_most_s: float
    with_leader_s: float
    orderly_s: float


class Cost(Struct, frozen=True, kw_only=True):
    """Requests to the store, per second: of one agent whatever its groups, of all agents, and for each group."""

    agent_per_s: float
    all_per_s: float
    group_per_s: float


class Explanation(Struct, frozen=True, kw_only=True):
    """What `explain` found out; `warnings` are sentences for an operator."""

    voters: int
    majority: int
    may_lose: int
    losses: tuple[Loss, ...]
    times: Times
    cost: Cost
    warnings: tuple[str, ...]


def majority(voters: int) -> int:
    """The least number of voters that is more than half.

    Source: D. Gifford, "Weighted voting for replicated data" (SOSP 1979): two majorities have a member in common.
    """
    return voters // 2 + 1


def explain(layout: Layout) -> Explanation:
    """The numbers of a layout, and what is unwise about it."""
    voters = len(layout.voters)
    needed = majority(voters) if voters else 0
    losses = tuple(_losses(layout, needed))
    times = _times(layout)
    cost = _cost(layout)
    return Explanation(
        voters=voters,
        majority=needed,
        may_lose=voters - needed,
        losses=losses,
        times=times,
        cost=cost,
        warnings=tuple(_warnings(layout, losses)),
    )


def _losses(layout: Layout, needed: int) -> Iterator[Loss]:
    sites = sorted({voter.site for voter in layout.voters} | set(layout.agents.values()))
    for lost in (*((site,) for site in sites), *combinations(sites, 2)):
        left = sum(voter.site not in lost for voter in layout.voters)
        agents = tuple(name for name, site in layout.agents.items() if site not in lost)
        if len(lost) == len(sites) > 1:
            continue
        yield Loss(sites=lost, voters_left=left, quorum=left >= needed, agents_left=agents)


def _times(layout: Layout) -> Times:
    timing, trip_s = layout.timing, layout.round_trip_s
    claim_s = CLAIM_TRIPS * trip_s
    # The holder dies just before a renewal is sent (its last one is renew_s old), or just after one was seen.
    least_s = timing.ttl_s - timing.renew_s - trip_s / 2 + claim_s
    most_s = timing.ttl_s + trip_s + claim_s
    return Times(
        renew_s=timing.renew_s,
        stop_s=timing.stop_at_s(0),
        valid_s=timing.valid_s,
        rival_s=timing.ttl_s,
        takeover_least_s=max(0.0, least_s),
        takeover_most_s=most_s,
        with_leader_s=max(most_s, layout.election_s + timing.renew_s + claim_s + trip_s),
        orderly_s=CLAIM_TRIPS * trip_s + trip_s / 2,
    )


def _cost(layout: Layout) -> Cost:
    # One renewal each third of the ttl for all groups of the agent, one read each ttl; changes come by a watch.
    agent_per_s = 1 / layout.timing.renew_s + 1 / layout.timing.ttl_s
    return Cost(
        agent_per_s=agent_per_s,
        all_per_s=agent_per_s * max(1, len(layout.agents)),
        group_per_s=agent_per_s / max(1, layout.groups),
    )


def _warnings(layout: Layout, losses: tuple[Loss, ...]) -> Iterator[str]:
    voters = len(layout.voters)
    sites = Counter(voter.site for voter in layout.voters)
    if voters == 1:
        yield "the store has one member: without it, nobody is in charge; three survive the loss of one"
    if voters and voters % 2 == 0:
        yield f"{voters} voters survive no more losses than {voters - 1}: add one or remove one"
    for loss in losses:
        if len(loss.sites) == 1:
            yield from _of_a_site(layout, loss, sites)
    if len(sites) == 2:
        yield "two sites cannot both be lost safely: a third with a single vote, a witness, decides which side goes on"
    yield from _of_times(layout)


def _of_a_site(layout: Layout, loss: Loss, sites: Counter[str]) -> Iterator[str]:
    if layout.voters and not loss.quorum and len(sites) > 1:
        yield f"without {loss.sites[0]} the store has no majority: nobody takes over, and holders stop"
    if len(layout.agents) > 1 and not loss.agents_left:
        yield f"all agents stand in {loss.sites[0]}: nobody is left to take over when it is lost"


def _of_times(layout: Layout) -> Iterator[str]:
    ttl_s, trip_s, election_s = layout.timing.ttl_s, layout.round_trip_s, layout.election_s
    if ttl_s < 20 * trip_s:
        yield f"a ttl of {ttl_s:g} s is short for a store that is {trip_s:g} s away: at least 20 times that"
    if ttl_s < 2 * election_s and len(layout.voters) > 1 and not layout.hold:
        meanwhile = (
            f"with a ttl of {ttl_s:g} s all holders stop while the store elects a leader, up to {election_s:g} s"
        )
        yield f'{meanwhile}: a longer ttl, a shorter election timeout, or without_store = "hold"'
    if layout.hold:
        yield "without the store a holder goes on only while every agent that it knew of confirms it"


def render(found: Explanation) -> str:
    """The explanation for people."""
    times, cost = found.times, found.cost
    lines = []
    if found.voters:
        lines.append(f"store: {found.voters} voters, {found.majority} are a majority, {found.may_lose} may be lost")
        for loss in found.losses:
            verdict = "decides" if loss.quorum else "NO majority"
            agents = ", ".join(loss.agents_left) or "no agent"
            lines.append(
                f"  without {' and '.join(loss.sites)}: {loss.voters_left} voters left, {verdict}; {agents} left"
            )
    else:
        lines.append("store: one server or file; while it is lost, nobody is in charge")
    held = f"a holder that is not confirmed begins to stop {times.stop_s:.3f} s"
    stopped = f"and has stopped after {times.valid_s:.3f} s; a rival may act {times.rival_s:.3f} s"
    takeover = f"{times.takeover_least_s:.2f} to {times.takeover_most_s:.2f} s"
    of_all = f"{cost.all_per_s:.1f} of all; {cost.group_per_s:.3f} for each group"
    lines += [
        f"lease: renewed every {times.renew_s:.3f} s; {held}",
        f"  after it sent its last renewal, {stopped}",
        "  after it saw that renewal, on its own clock",
        f"takeover: {takeover} after the holder died or was cut off;",
        f"  {times.with_leader_s:.2f} s at most if the store's leader is lost too; {times.orderly_s:.3f} s by order",
        f"cost: {cost.agent_per_s:.1f} requests/s of each agent, {of_all}",
        *(f"note: {warning}" for warning in found.warnings),
    ]
    return "\n".join(lines)
