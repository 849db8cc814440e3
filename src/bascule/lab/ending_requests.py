"""The words between a lab's client and its supervisor about how members end."""

from __future__ import annotations

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


EndingRequests = RefuseMemory | RunOutOfMemory | MemoryKills | RelieveMemory
