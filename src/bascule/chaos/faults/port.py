"""What a fault is: what it needs of its platform, does, is witnessed by, and how it is undone. Pure.

A fault is data: it can be written into the journal before it acts, and undone by another process from there.
"""

from __future__ import annotations

from typing import ClassVar

from msgspec import Struct

from bascule.chaos.platform import Control, Platform


class Witness(Struct, frozen=True, kw_only=True):
    """Whether something was seen, and what was looked at."""

    seen: bool
    evidence: tuple[str, ...]


class Fault(Struct, frozen=True, kw_only=True, tag_field="fault", forbid_unknown_fields=True):
    """Something that can be done to a system, seen to act, and undone. Every call is idempotent and bounded in time."""

    NEEDS: ClassVar[frozenset[Control]] = frozenset()
    DOES: ClassVar[str] = ""
    SEEN_BY: ClassVar[str] = ""
    UNDONE_BY: ClassVar[str] = ""

    @classmethod
    def kind(cls) -> str:
        """Its name in the journal and for people."""
        return str(cls.__struct_config__.tag)

    def steps(self) -> tuple[str, ...]:
        """What would be done, in words, for a dry run."""
        return ()

    def ready(self, platform: Platform) -> Witness:
        """Whether its effect could be told from the present state: a host that is cut off already cannot be lost."""
        raise AssertionError(platform)

    def inject(self, platform: Platform) -> tuple[int, ...]:
        """Do it. Returns the pids that were hit, where there are any."""
        raise AssertionError(platform)

    def witness(self, platform: Platform, hit: tuple[int, ...]) -> Witness:
        """Whether it acts now."""
        raise AssertionError(platform, hit)

    def undo(self, platform: Platform) -> None:
        """Take it back."""
        raise AssertionError(platform)

    def undone(self, platform: Platform) -> Witness:
        """Whether nothing of it is left."""
        raise AssertionError(platform)


def runs(platform: Platform, member: str) -> Witness:
    """Whether a member has processes that live."""
    alive = platform.processes(member)
    return Witness(seen=bool(alive), evidence=(f"{len(alive)} processes of {member} live",))
