"""What a lab may be given beside its hosts, each for the faults that need it, and why a machine cannot give it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields

from bascule.chaos.platform import Control
from bascule.kernel.errors import MachineError
from bascule.lab import disk_mount, faketime, isolation, resolvers
from bascule.lab.protocol import Isolation


@dataclass(frozen=True, slots=True, kw_only=True)
class Abilities:
    """What is asked for; each costs a little, and so nothing of it is the default.

    Args:
        disks: Disks that can fail under the members, for the faults disk-...
        clocks: Members are started so that their wall clocks can be turned, for the faults clock-...
        names: A resolver for each host that knows the lab's names, for the fault dns-failure.
    """

    disks: bool = False
    clocks: bool = False
    names: bool = False

    def asked(self) -> tuple[str, ...]:
        """What of it is asked for, by name."""
        return tuple(each.name for each in fields(self) if getattr(self, each.name))


NONE = Abilities()


def needed(controls: Iterable[Control]) -> Abilities:
    """What a lab must be given for faults that need these controls."""
    all_of = set(controls)
    return Abilities(disks="disk" in all_of, clocks="clock" in all_of, names="names" in all_of)


def demand(wanted: Abilities, kind: str) -> None:
    """Refuse what a lab cannot be given here.

    Args:
        wanted: What is asked for.
        kind: `auto`, `namespaces` or `loopback`.

    Raises:
        MachineError: This machine, or this isolation, cannot give it.
    """
    apart = _would_be(kind) == "namespaces"
    elsewhere = "" if apart else "it needs the isolation namespaces"
    if wanted.disks and (why := disks_refusal(kind)):
        raise MachineError(f"disks that can fail cannot be had here: {why}", hint=elsewhere or disk_mount.HINT)
    if wanted.clocks and (why := clocks_refusal(kind)):
        raise MachineError(f"clocks cannot be turned here: {why}", hint=elsewhere)
    if wanted.names and (why := names_refusal(kind)):
        raise MachineError(f"hosts cannot have resolvers here: {why}", hint=elsewhere)


def disks_refusal(kind: str = "auto") -> str:
    """Empty when disks that can fail can be put under members here; otherwise why not."""
    return disk_mount.refusal(True, _would_be(kind))  # noqa: FBT003 - as declared there


def clocks_refusal(kind: str = "auto") -> str:
    """Empty when wall clocks of members can be turned here; otherwise why not."""
    return faketime.chosen(True, _would_be(kind))[1]  # noqa: FBT003 - as declared there


def names_refusal(kind: str = "auto") -> str:
    """Empty when hosts can have resolvers of their own here; otherwise why not."""
    return resolvers.refusal(True, _would_be(kind))  # noqa: FBT003 - as declared there


def _would_be(kind: str) -> Isolation:
    return "loopback" if kind == "loopback" or isolation.available() else "namespaces"
