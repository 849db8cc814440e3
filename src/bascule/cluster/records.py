"""What the store holds. Pure.

One session for each agent, and its profile; one claim for each group; and what operators asked for.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct, field

from bascule.cluster.stores.port import VALUE_LIMIT_BYTES

AGENTS, PROFILES, GROUPS, ORDERS, SETTINGS = "agents/", "profiles/", "groups/", "orders/", "settings"

Name = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$")]
"""Letters, digits and `_.-`, at most 63: it becomes part of a key."""
NameOrNone = Annotated[str, Meta(pattern=r"^([A-Za-z0-9][A-Za-z0-9_.-]{0,62})?$")]
Text = Annotated[str, Meta(max_length=400)]
Seconds = Annotated[float, Meta(ge=0.05, le=3600)]
Count = Annotated[int, Meta(ge=0)]


class Record(Struct, frozen=True, kw_only=True):
    """What one register says. Fields that a later version added are passed over."""


class Session(Record, frozen=True, kw_only=True):
    """An agent's lease on being somebody: all of its groups stand and fall with it.

    Attributes:
        agent: Whose it is.
        session: A random word; another one after each start, and after each end.
        ttl_s: For how long after having *seen* this record a rival must wait.
        number: Counts the renewals of this session from 1.
        sent_s: When it was sent, on the agent's own clock: for comparing the speed of clocks, never for deciding.
        state: `ended`: nobody may act in its name any more.
        why: Why it ended, and by whose word.
        witnesses: Not empty: only these agents may end it, since without the store it may hold by their word alone.
        address: Where its peers reach it, `host:port`; empty when they do not.
    """

    agent: Name
    session: Name
    ttl_s: Seconds
    number: Count = 1
    sent_s: float = 0.0
    state: Literal["alive", "ended"] = "alive"
    why: Text = ""
    witnesses: Annotated[tuple[Name, ...], Meta(max_length=200)] = ()
    address: Text = ""


class Standing(Struct, frozen=True, kw_only=True):
    """How an agent stands for a group.

    Attributes:
        priority: The higher, the sooner.
        eligible: It may be chosen now.
        why: Why it may not.
        lag_bytes: How far its data is behind; None where that has no meaning.
    """

    priority: int = 100
    eligible: bool = False
    why: Text = ""
    lag_bytes: Count | None = None


class Profile(Record, frozen=True, kw_only=True):
    """For which groups an agent stands, in the session that it names."""

    agent: Name
    session: Name
    groups: Annotated[dict[Name, Standing], Meta(max_length=2000)] = field(default_factory=dict)


class Claim(Record, frozen=True, kw_only=True):
    """Whose a group is. The revision of the register is the fencing token of the term.

    Attributes:
        group: The group.
        holder: The agent that has it; empty when it was given back.
        session: The holder's session: once that is over, the group is free.
        identity: What the group is made of, as its agents have it configured: strangers with the same name differ.
        handed_to: To whom it was given back; others wait a while.
        order: The operator's order that was carried out last.
        why: Why it was claimed, or given back.
        wall_s: For people: seconds since the Unix epoch when it was claimed; never for deciding.
    """

    group: Name
    holder: NameOrNone = ""
    session: NameOrNone = ""
    identity: Text = ""
    handed_to: NameOrNone = ""
    order: Text = ""
    why: Text = ""
    wall_s: float = 0.0


class Order(Record, frozen=True, kw_only=True):
    """An operator's order to hand a group over.

    Attributes:
        group: The group.
        id: A random word.
        token: The term that it is about; it means nothing to any other.
        to: To whom; empty: to the best.
        by: Who asked, for people.
    """

    group: Name
    id: Name
    token: Count
    to: NameOrNone = ""
    by: Text = ""


class Settings(Record, frozen=True, kw_only=True):
    """What holds for the whole cluster.

    Attributes:
        paused: Holders go on, and nobody takes over from anybody.
        by: Who said so, and why.
        freed: Sessions (`agent/session`) that an operator declared dead: the node is known to be off.
    """

    paused: bool = False
    by: Text = ""
    freed: Annotated[tuple[Text, ...], Meta(max_length=50)] = ()


R = TypeVar("R", bound=Record)


_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")


def is_name(text: str) -> bool:
    """Whether it may be the name of a cluster, an agent or a group."""
    return _NAME.fullmatch(text) is not None


class UnreadableError(ValueError):
    """A register holds something that is no record."""


def encode(record: Record) -> bytes:
    """The record as JSON."""
    return msgspec.json.encode(record)


def decode(value: bytes, kind: type[R]) -> R:
    """The record that a register holds.

    Raises:
        UnreadableError: It holds something else.
    """
    if len(value) > VALUE_LIMIT_BYTES:
        raise UnreadableError(f"{len(value)} bytes are too many")
    try:
        return msgspec.json.decode(value, type=kind)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise UnreadableError(str(error)) from error
