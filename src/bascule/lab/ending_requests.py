"""The words between a lab's client and its supervisor about how members end."""

from __future__ import annotations

from bascule.chaos.endings import SignalAim, SignalName
from bascule.lab.request import Request


class RefuseMemory(Request, frozen=True, kw_only=True, tag="refuse_memory"):
    """Say why no control group of memory can be made here; nothing when it can."""


class RunOutOfMemory(Request, frozen=True, kw_only=True, tag="run_out_of_memory"):
    """Let the kernel's OOM killer strike one process of a member."""

    member: str
    command: str


class MemoryKills(Request, frozen=True, kw_only=True, tag="memory_kills"):
    """Say how often it struck in the group made for that."""

    member: str


class RelieveMemory(Request, frozen=True, kw_only=True, tag="relieve_memory"):
    """Remove the group."""

    member: str


class SendSignals(Request, frozen=True, kw_only=True, tag="send_signals"):
    """Send a member's processes one signal after the other."""

    member: str
    signals: tuple[SignalName, ...]
    pause_s: float
    to: SignalAim


class Delivered(Request, frozen=True, kw_only=True, tag="delivered"):
    """Say what became of each of the signals that were sent last."""

    member: str


class EndSignals(Request, frozen=True, kw_only=True, tag="end_signals"):
    """Have a member up for good after signals."""

    member: str


class Reboot(Request, frozen=True, kw_only=True, tag="reboot"):
    """Take the hosts' power, and give it back after a time."""

    hosts: tuple[str, ...]
    down_s: float


class Boot(Request, frozen=True, kw_only=True, tag="boot"):
    """Say of which start a host lives."""

    host: str


EndingRequests = (
    RefuseMemory | RunOutOfMemory | MemoryKills | RelieveMemory | SendSignals | Delivered | EndSignals | Reboot | Boot
)
