"""What a layout can survive, and what its times mean: quorum, witness, lease and cost. Pure.

No probabilities: which sites may be lost, and what is left then, is a table of truth. How likely a loss is, the
operator knows better than a formula does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Mapping
from itertools import combinations
from typing import TypeVar

from msgspec import Struct, structs

from bascule.cluster.decisions.group import Fencing, Group
from bascule.cluster.decisions.lease import Timing

CLAIM_TRIPS = 2
"""Round trips to the store after the end of a lease: the dead session is ended, the group is claimed."""
MOST_VOTERS = 99
MOST_NAMES = 3
"""Groups that a sentence names."""
SHORT_PREEMPT_TTLS = 3
LONG_STOP_SHARE = 0.25
WITNESS = "a third site"
T = TypeVar("T", bound=Hashable)


class Voter(Struct, frozen=True, kw_only=True):
    """A member of the store, and the site that it stands or falls with: a zone, a region, a rack.

    Attributes:
        votes: It counts for the majority. A learner, a replica or an observer does not: it answers reads at best.
    """

    name: str
    site: str
    votes: bool = True


class Layout(Struct, frozen=True, kw_only=True):
    """What is to be explained.

    Attributes:
        voters: The store's members; empty for a store without a quorum of its own (one PostgreSQL, a file).
        agents: The site of each agent, by its name.
        timing: The agents' lease.
        round_trip_s: From an agent to the store and back.
        election_s: How long the store may take to elect another leader: for etcd, about two election timeouts.
        hold: Agents hold without the store while every witness confirms.
        groups: What an agent is configured to stand for; empty: one group with every default.
        servers: How many servers of the store the agents know.
        elects: Those servers are members that vote, as etcd's and NATS' are; of PostgreSQL's one is the primary.
        assumed: No agent's file was read: the lease and the groups are defaults.
    """

    voters: tuple[Voter, ...] = ()
    agents: dict[str, str] = {}
    timing: Timing = Timing()
    round_trip_s: float = 0.005
    election_s: float = 1.0
    hold: bool = False
    groups: tuple[Group, ...] = ()
    servers: int = 1
    elects: bool = False
    assumed: bool = False


class Loss(Struct, frozen=True, kw_only=True):
    """The loss of one site or of two: who of the store's members is left, and whether they are a majority."""

    sites: tuple[str, ...]
    voters_left: int
    quorum: bool
    agents_left: tuple[str, ...]


class Witness(Struct, frozen=True, kw_only=True):
    """What two sites and a third one with a single vote would be: any one of the three may be lost.

    Attributes:
        voters: How many in each of the two sites.
        added: How many members that makes more, the witness included.
        losses: As of the layout itself.
    """

    voters: int
    added: int
    losses: tuple[Loss, ...]


class Times(Struct, frozen=True, kw_only=True):
    """What the lease means, in seconds. Takeover is until the group is claimed; what follows the lease comes on top.

    Attributes:
        renew_s: Between two renewals.
        stop_s: After a renewal was sent: the holder begins to stop unless another one was confirmed.
        valid_s: After a renewal was sent: the holder has stopped, and the kernel has closed its address.
        rival_s: After a rival saw a renewal: it may end the session.
        takeover_least_s, takeover_most_s: From the holder's end to the claim. Killed, frozen and cut off are the same
            to a rival, which sees no renewal.
        cut_off_least_s, cut_off_most_s: Of a holder that is cut off from the store and lives: from the cut to its end.
        nobody_most_s: From the end of a holder that was cut off, or of a frozen one's address, to the claim.
        with_leader_s: The most, if the store's leader goes with the holder.
        orderly_s: A handover, without what the service itself takes.
    """

    renew_s: float
    stop_s: float
    valid_s: float
    rival_s: float
    takeover_least_s: float
    takeover_most_s: float
    cut_off_least_s: float
    cut_off_most_s: float
    nobody_most_s: float
    with_leader_s: float
    orderly_s: float


class Cost(Struct, frozen=True, kw_only=True):
    """Requests to the store, per second: of one agent whatever its groups, of all agents, and for each group."""

    agent_per_s: float
    all_per_s: float
    group_per_s: float


class Explanation(Struct, frozen=True, kw_only=True):
    """What `explain` found out.

    Attributes:
        voters: Members that vote.
        may_lose: How many of them, whichever they are.
        servers: How many servers of the store the agents know.
        elects: Those servers vote among themselves.
        agents: How many agents have a site.
        losses: The table of truth: each site, and each two.
        witness: For voters in exactly two sites: what a third site would change.
        consequences: What was chosen means, in sentences.
        warnings: What is unwise, in sentences.
    """

    voters: int
    majority: int
    may_lose: int
    servers: int
    elects: bool
    agents: int
    losses: tuple[Loss, ...]
    witness: Witness | None
    times: Times
    cost: Cost
    consequences: tuple[str, ...]
    warnings: tuple[str, ...]


def majority(voters: int) -> int:
    """The least number of voters that is more than half.

    Source: D. Gifford, "Weighted voting for replicated data" (SOSP 1979): two majorities have a member in common.
    """
    return voters // 2 + 1


def explain(layout: Layout) -> Explanation:
    """The numbers of a layout, what its choices mean, and what is unwise about it."""
    voters = sum(one.votes for one in layout.voters)
    needed = majority(voters) if voters else 0
    losses = tuple(_losses(layout, needed))
    return Explanation(
        voters=voters,
        majority=needed,
        may_lose=voters - needed,
        servers=layout.servers,
        elects=layout.elects,
        agents=len(layout.agents),
        losses=losses,
        witness=_witness(layout),
        times=_times(layout),
        cost=_cost(layout),
        consequences=tuple(_consequences(layout)),
        warnings=tuple(_warnings(layout, losses)),
    )


def _votes(layout: Layout) -> Counter[str]:
    return Counter(voter.site for voter in layout.voters if voter.votes)


def _losses(layout: Layout, needed: int) -> Iterator[Loss]:
    votes = _votes(layout)
    sites = sorted(set(votes) | set(layout.agents.values()))
    for lost in (*((site,) for site in sites), *combinations(sites, 2)):
        left = sum(count for site, count in votes.items() if site not in lost)
        agents = tuple(name for name, site in layout.agents.items() if site not in lost)
        if len(lost) == len(sites) > 1:
            continue
        yield Loss(sites=lost, voters_left=left, quorum=left >= needed, agents_left=agents)


def _witness(layout: Layout) -> Witness | None:
    """Two sites alike, and one vote elsewhere.

    With n voters in each site and one in a third, a majority is n + 1: either site and the witness are one, and so are
    the two sites without it. Without a witness one of two sites has the majority, and its loss is the loss of all.
    """
    votes = _votes(layout)
    if len(votes) != 2:
        return None
    each = max(votes.values())
    members = [Voter(name=f"{site}-{number}", site=site) for site in votes for number in range(each)]
    voters = (*members, Voter(name="witness", site=WITNESS))
    wanted = structs.replace(layout, voters=voters)
    losses = tuple(loss for loss in _losses(wanted, majority(len(voters))) if len(loss.sites) == 1)
    return Witness(voters=each, added=len(voters) - sum(votes.values()), losses=losses)


def _times(layout: Layout) -> Times:
    """From the lease, a round trip and an election.

    The last renewal is up to `renew_s` old when the holder ends; half a trip later a rival saw it, and waits `ttl_s` by
    its own clock, which may be slow by the drift: `least = ttl - renew - trip/2 + claim`, `most = (ttl + trip) / (1 -
    drift) + claim`, where a claim is two trips: the session is ended, the group is claimed. A holder that is cut off
    counts from *before* its last renewal was sent: it lives on for `valid - renew - trip` to `valid`, and has stopped.
    If the store's leader is lost too, nothing is written for `election`: the rival's wait may be over by then.

    Source: `decisions.lease`; for etcd's election, "Tuning" in its manual: a follower waits for one to two election
    timeouts, and then for a vote.
    """
    timing, trip_s = layout.timing, layout.round_trip_s
    claim_s = CLAIM_TRIPS * trip_s
    least_s = timing.ttl_s - timing.renew_s - trip_s / 2 + claim_s
    most_s = (timing.ttl_s + trip_s) / (1 - timing.drift) + claim_s
    return Times(
        renew_s=timing.renew_s,
        stop_s=timing.stop_at_s(0),
        valid_s=timing.valid_s,
        rival_s=timing.ttl_s,
        takeover_least_s=max(0.0, least_s),
        takeover_most_s=most_s,
        cut_off_least_s=max(0.0, timing.valid_s - timing.renew_s - trip_s),
        cut_off_most_s=timing.valid_s,
        nobody_most_s=most_s - timing.stop_at_s(0),
        with_leader_s=max(most_s, layout.election_s + timing.renew_s + claim_s + trip_s),
        orderly_s=CLAIM_TRIPS * trip_s + trip_s / 2,
    )


def _cost(layout: Layout) -> Cost:
    """One renewal each third of the ttl for all groups of the agent, one read each ttl; changes come by one watch."""
    agent_per_s = 1 / layout.timing.renew_s + 1 / layout.timing.ttl_s
    return Cost(
        agent_per_s=agent_per_s,
        all_per_s=agent_per_s * max(1, len(layout.agents)),
        group_per_s=agent_per_s / max(1, len(layout.groups)),
    )


_FENCING: Mapping[Fencing, str] = {
    "lease": 'fencing = "lease"{of}: a dead holder is followed once its lease has ended; nothing else need work',
    "fence": 'fencing = "fence"{of}: a dead holder is followed once a fence was confirmed; if none is, by nobody',
    "both": 'fencing = "both"{of}: a dead holder is followed once its lease has ended and a fence was confirmed;'
    " if none is, by nobody",
}


def _alike(layout: Layout, setting: Callable[[Group], T]) -> Iterator[tuple[T, str]]:
    """Each value of a setting, and ` of` those groups that have it; nothing where all groups are alike."""
    names: dict[T, list[str]] = {}
    for group in layout.groups or (Group(name=""),):
        names.setdefault(setting(group), []).append(group.name)
    for value, have in names.items():
        more = f" and {len(have) - MOST_NAMES} more" if len(have) > MOST_NAMES else ""
        yield value, f" of {', '.join(have[:MOST_NAMES])}{more}" if len(names) > 1 else ""


def _consequences(layout: Layout) -> Iterator[str]:
    for fencing, of in _alike(layout, lambda group: group.fencing):
        yield _FENCING[fencing].format(of=of)
    if layout.hold:
        yield (
            'without_store = "hold": without the store a holder goes on while every agent that it named confirms it;'
            " it stops when one of them is gone too"
        )
    else:
        yield (
            'without_store = "step_down": without the store all holders stop within'
            f" {layout.timing.valid_s:.3f} s, and nobody is in charge until it is back"
        )


def _warnings(layout: Layout, losses: tuple[Loss, ...]) -> Iterator[str]:
    sites = _votes(layout)
    voters = sites.total()
    if layout.assumed:
        yield (
            f"no agent's file was read: the lease (ttl {layout.timing.ttl_s:g} s) and the groups are defaults;"
            " --agent FILE has them explained as they are"
        )
    if layout.voters and not voters:
        yield "no member of the store votes: nothing can be written"
    if voters == 1:
        yield "the store has one member: without it, nobody is in charge; three survive the loss of one"
    if voters and voters % 2 == 0:
        fewer = "1 does" if voters == 2 else f"{voters - 1} do"
        yield f"{voters} voters survive no more losses than {fewer}: add one or remove one"
    for loss in losses:
        if len(loss.sites) == 1:
            yield from _of_a_site(layout, loss, sites)
    if len(sites) == 2:
        yield "two sites cannot both be lost safely: a third with a single vote, a witness, decides which side goes on"
    yield from _of_times(layout)
    yield from _of_flapping(layout)


def _of_a_site(layout: Layout, loss: Loss, sites: Counter[str]) -> Iterator[str]:
    (site,) = loss.sites
    if layout.voters and not loss.quorum and len(sites) > 1:
        yield f"without {site} the store has no majority: nobody takes over, and holders stop"
    if len(layout.agents) < 2 or loss.agents_left:
        return
    yield f"all agents stand in {site}: nobody is left to take over when it is lost"
    if len(sites) > 1 and sites[site] < majority(sites.total()):
        yield f"all agents stand in {site}, a minority of the store: when it is cut off, all stop although all live"


def _of_times(layout: Layout) -> Iterator[str]:
    timing, trip_s, election_s = layout.timing, layout.round_trip_s, layout.election_s
    ttl_s, votes = timing.ttl_s, _votes(layout).total()
    if ttl_s < 20 * trip_s:
        yield f"a ttl of {ttl_s:g} s is short for a store that is {trip_s:g} s away: at least 20 times that"
    if ttl_s < 2 * election_s and votes > 1 and not layout.hold:
        meanwhile = (
            f"with a ttl of {ttl_s:g} s all holders stop while the store elects a leader, up to {election_s:g} s"
        )
        yield f'{meanwhile}: a longer ttl, a shorter election timeout, or without_store = "hold"'
    if timing.stop_s > LONG_STOP_SHARE * ttl_s:
        late_s = timing.stop_at_s(0) - timing.renew_s
        yield (
            f"stopping takes {timing.stop_s:g} s of a ttl of {ttl_s:g} s: a renewal that is {late_s:.3f} s late stops"
            " a healthy holder; a longer ttl, or a service that stops sooner"
        )


def _of_flapping(layout: Layout) -> Iterator[str]:
    ttl_s = layout.timing.ttl_s
    for hold_down_s, of in _alike(layout, lambda group: group.hold_down_s):
        if hold_down_s < ttl_s:
            yield (
                f"a hold-down{of} of {hold_down_s:g} s is shorter than the ttl of {ttl_s:g} s: who failed may be chosen"
                " again before anybody else was"
            )
    for (preempt_s, hold_down_s), of in _alike(layout, lambda group: (group.preempt_after_s, group.hold_down_s)):
        least_s = max(SHORT_PREEMPT_TTLS * ttl_s, hold_down_s)
        if preempt_s is not None and preempt_s < least_s:
            yield (
                f"preemption{of} after {preempt_s:g} s lets a group go back and forth with a node that comes and goes:"
                f" at least {least_s:g} s, or none"
            )


def render(found: Explanation) -> str:
    """The explanation for people."""
    cost = found.cost
    of_all = f"{cost.all_per_s:.1f} of all; {cost.group_per_s:.3f} for each group"
    lines = [
        *_render_store(found),
        *_render_times(found.times),
        f"cost: {cost.agent_per_s:.1f} requests/s of each agent, {of_all}",
        *(f"means: {sentence}" for sentence in found.consequences),
        *(f"note: {warning}" for warning in found.warnings),
    ]
    return "\n".join(lines)


def _render_store(found: Explanation) -> Iterator[str]:
    if not found.voters:
        yield f"store: {_without_sites(found)}"
        return
    needed = f"{found.majority} {'is' if found.majority == 1 else 'are'} a majority"
    yield f"store: {_counted(found.voters)}, {needed}, {found.may_lose} may be lost"
    yield from (_render_loss(loss, found.agents) for loss in found.losses)
    if found.witness is not None:
        each, added = found.witness.voters, found.witness.added
        yield f"with {each} in each site and one in a third, {added} more:"
        yield from (_render_loss(loss, found.agents) for loss in found.witness.losses)


def _without_sites(found: Explanation) -> str:
    if found.servers < 2:
        return "one server or file; while it is lost, nobody is in charge"
    if found.elects:
        return f"{found.servers} endpoints; for what may be lost of them, name their sites with --voter NAME=SITE"
    return f"{found.servers} servers, of which one is the primary; while none is, nobody is in charge"


def _counted(voters: int) -> str:
    return "1 voter" if voters == 1 else f"{voters} voters"


def _render_loss(loss: Loss, agents: int) -> str:
    verdict = "decides" if loss.quorum else "NO majority"
    left = f"; {', '.join(loss.agents_left) or 'no agent'} left" if agents else ""
    return f"  without {' and '.join(loss.sites)}: {_counted(loss.voters_left)} left, {verdict}{left}"


def _render_times(times: Times) -> Iterator[str]:
    held = f"a holder that is not confirmed begins to stop {times.stop_s:.3f} s"
    yield f"lease: renewed every {times.renew_s:.3f} s; {held}"
    yield (
        f"  after it sent its last renewal, and has stopped after {times.valid_s:.3f} s;"
        f" a rival may act {times.rival_s:.3f} s"
    )
    yield "  after it saw that renewal, on its own clock"
    yield (
        f"takeover: {times.takeover_least_s:.2f} to {times.takeover_most_s:.2f} s after the holder died, froze"
        " or was cut off;"
    )
    yield f"  {times.with_leader_s:.2f} s at most if the store's leader is lost too; {times.orderly_s:.3f} s by order"
    yield (
        f"  who is cut off goes on for {times.cut_off_least_s:.2f} to {times.cut_off_most_s:.2f} s;"
        f" then there is nobody for up to {times.nobody_most_s:.2f} s"
    )
