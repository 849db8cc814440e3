"""Faults of what a process may use: no more file descriptors. Pure."""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Meta

from bascule.chaos.faults.port import Fault, Witness
from bascule.chaos.platform import Platform


class DescriptorExhaustion(Fault, frozen=True, kw_only=True, tag="descriptors-exhausted"):
    """No process of a member can open more than a few further files or connections: EMFILE, "too many open files"."""

    NEEDS: ClassVar = frozenset({"process"})
    DOES: ClassVar = "lowers the limit of open files of every process of the member to what it has open"
    SEEN_BY: ClassVar = "the kernel leaves the member's main process no more than the spare descriptors"
    UNDONE_BY: ClassVar = "raising the limits to what they were"

    member: str
    spare: Annotated[int, Meta(ge=0, le=10_000)] = 0

    def steps(self) -> tuple[str, ...]:
        """One limit."""
        return (f"leave every process of {self.member} {self.spare} free file descriptors",)

    def ready(self, platform: Platform) -> Witness:
        """The member could open more than that."""
        free = _free(platform, self.member)
        return Witness(seen=free is not None and free > self.spare, evidence=(self._told(free),))

    def inject(self, platform: Platform) -> tuple[int, ...]:
        """Lower the limits."""
        return platform.limit_descriptors(self.member, self.spare)

    def witness(self, platform: Platform, hit: tuple[int, ...]) -> Witness:
        """The kernel's own table says so."""
        free = _free(platform, self.member)
        return Witness(seen=bool(hit) and free is not None and free <= self.spare, evidence=(self._told(free),))

    def undo(self, platform: Platform) -> None:
        """Raise the limits again."""
        platform.free_descriptors(self.member)

    def undone(self, platform: Platform) -> Witness:
        """It can open more again; a member that is down has nothing left of it."""
        free = _free(platform, self.member)
        return Witness(seen=free is None or free > self.spare, evidence=(self._told(free),))

    def _told(self, free: int | None) -> str:
        what = "is down" if free is None else f"can open {free} more files"
        return f"the main process of {self.member} {what}"


def _free(platform: Platform, member: str) -> int | None:
    """How many more descriptors the main process could open; None when it is down."""
    views = platform.descriptors(member)
    return views[0].free if views else None
