"""What a simulated world consists of: its settings, its nodes, what acts on them, and its trace."""

from __future__ import annotations

from dataclasses import dataclass, field

from bascule.cluster.decisions import events
from bascule.cluster.decisions.group import Group
from bascule.cluster.decisions.state import State


class ViolationError(AssertionError):
    """An invariant does not hold."""


@dataclass
class Settings:
    """What a seed made of the world. All times in seconds.

    Attributes:
        operators: Files are reloaded, and a second agent is started under a name that is taken.
        straggling: Share of the store's answers that come up to a third of the ttl later than others.
    """

    agents: int
    groups: int
    ttl_s: float
    drift: float
    failsafe: bool
    fencing: str
    watch: bool
    latency_s: float
    loss: float
    twice: float
    promote_fails: float
    demote_fails: float
    hold_down_s: float
    faults_until_s: float
    operators: bool = False
    straggling: float = 0.0


@dataclass
class Mutation:
    """What is broken on purpose in the world around the decisions."""

    token_unchecked: bool = False
    wall_clock: bool = False


@dataclass
class Event:
    """One line of the trace."""

    at_s: float
    who: str
    what: str
    values: dict[str, object] = field(default_factory=dict)


class Door:
    """What acts on a node for a group, and is closed by the kernel when its time is over."""

    def __init__(self) -> None:
        self.open = False
        self.until_s = 0.0
        self.token = 0
        self.version = 0


@dataclass
class Node:
    """One machine: its clock, its process, and what acts on it.

    Attributes:
        agent: The name in its file; empty: that of the machine.
        loses: Goes from its file while the next claim of it is under way, and never comes back.
    """

    name: str
    rate: float
    offset_s: float
    jump_s: float = 0.0
    state: State | None = None
    life: int = 0
    paused: bool = False
    last_pause_s: float = -1e9
    inbox: list[events.Event] = field(default_factory=list)
    doors: dict[str, Door] = field(default_factory=dict)
    services: dict[str, int] = field(default_factory=dict)
    work: dict[str, int] = field(default_factory=dict)
    held_down: dict[str, float] = field(default_factory=dict)
    from_store: bool = True
    to_store: bool = True
    late_s: float = 0.0
    deaf: set[str] = field(default_factory=set)
    watching: bool = False
    watched_s: float = -1e9
    timer: int = 0
    steps: int = 0
    requests: int = 0
    healthy: bool = True
    ended: bool = False
    agent: str = ""
    configured: tuple[Group, ...] = ()
    loses: str = ""

    @property
    def called(self) -> str:
        """The name in its agent's file."""
        return self.agent or self.name
