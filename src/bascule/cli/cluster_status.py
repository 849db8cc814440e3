"""How an agent's status is drawn for people."""

from __future__ import annotations

from rich.console import Group
from rich.table import Table
from rich.text import Text

from bascule.cluster.agent.status import GroupStatus, PeerStatus, Status

MINUTE_S, HOUR_S, DAY_S = 60.0, 3600.0, 86400.0


def shown(now: Status) -> Group:
    """The agent itself, each group with who may follow, and every agent that was seen."""
    groups = Table("group", "holder", "served", "token", "here", "who may hold it")
    for one in now.groups:
        may = "\n".join(f"{name}: {what}" for name, what in one.candidates.items())
        groups.add_row(one.group, _holder(one), _served(one), str(one.token or ""), one.phase, may)
    peers = Table("agent", "session", "last sign of life", "ttl")
    for peer in now.peers:
        peers.add_row(peer.agent, _session(peer), f"{age(peer.seen_s)} ago", f"{peer.ttl_s:g} s")
    agents = peers if now.peers else Text("no agent was seen yet", style="yellow")
    return Group(*_head(now), groups, agents)


def _head(now: Status) -> list[Text]:
    store = "answers"
    if now.store_lost_s is not None:
        store = f"does NOT answer, for {age(now.store_lost_s)}: {now.store_why}"
    session = f"session valid for {now.valid_s:.2f} s" if now.session else "NO session"
    lines = [Text(f"{now.agent} of {now.cluster}: {session}; {now.store} {store}")]
    if now.waits_for:
        lines.append(Text(f"it takes no part: {now.waits_for}", style="yellow"))
    if now.paused:
        lines.append(Text(f"PAUSED by {now.paused}: nobody takes over (bascule cluster resume)", style="yellow"))
    if not now.clock_sound:
        lines.append(Text("this agent's CLOCK runs at another speed than its peers'", style="red"))
    return lines


def _holder(one: GroupStatus) -> Text:
    if not one.holder:
        return Text("nobody", style="red")
    return Text(one.holder) if one.holder_alive else Text(f"{one.holder} (session over)", style="red")


def _served(one: GroupStatus) -> Text:
    return Text("yes") if one.serving else Text(f"NO: {one.waits_for}", style="red")


def _session(peer: PeerStatus) -> Text:
    return Text("alive") if peer.alive else Text(f"over: {peer.why or 'not renewed'}", style="red")


def age(seconds: float) -> str:
    """A time as people say it: `0.21 s`, `3 min`, `5.2 h`, `12 d`."""
    if seconds < MINUTE_S:
        return f"{seconds:.2f} s"
    if seconds < HOUR_S:
        return f"{seconds / MINUTE_S:.0f} min"
    return f"{seconds / HOUR_S:.1f} h" if seconds < DAY_S else f"{seconds / DAY_S:.0f} d"
