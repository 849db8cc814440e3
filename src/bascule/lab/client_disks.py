"""What a client does to the disks of a lab, and what it is told of them."""

from __future__ import annotations

from typing import TypeVar

from bascule.chaos.disk import DiskCounts, DiskTrouble, DiskTry, LostWrites
from bascule.lab import protocol as say
from bascule.lab.request import Request

T = TypeVar("T")
TRY_LIMIT_S = 20.0


class DiskCalls:
    """The part of a lab's client that is about disks; the lab must have been brought up with them."""

    def _do(self, request: Request, kind: type[T], *, within_s: float = 0.0) -> T:
        raise AssertionError((request, kind, within_s))

    def add_disk_trouble(self, host: str, trouble: DiskTrouble) -> None:
        """Let the host's disk have a trouble from now on."""
        self._do(say.AddDiskTrouble(host=host, trouble=trouble), type(None))

    def remove_disk_trouble(self, host: str, trouble: DiskTrouble) -> None:
        """Take a trouble away; a disk that died is replaced, and what ran on it is started again."""
        self._do(say.RemoveDiskTrouble(host=host, trouble=trouble), type(None))

    def disk_counts(self, host: str, trouble: DiskTrouble) -> DiskCounts | None:
        """What a trouble did so far, as the disk counted; None when it is not there."""
        return self._do(say.DiskCounted(host=host, trouble=trouble), DiskCounts | None)  # type: ignore[arg-type]  # a union is a type to msgspec

    def try_disk(self, host: str) -> DiskTry:
        """What becomes of a small file that a program of its own makes, writes, syncs and removes there."""
        return self._do(say.TryDisk(host=host), DiskTry, within_s=TRY_LIMIT_S)

    def settle_disks(self) -> None:
        """Take all that was written so far for synced, as after some time without work."""
        self._do(say.SettleDisks(), type(None))

    def lose_writes(self, hosts: tuple[str, ...]) -> None:
        """Cut the hosts' wires, kill everything on them, and lose every byte that no fsync had asked for."""
        self._do(say.LoseWrites(hosts=tuple(hosts)), type(None))

    def writes_lost(self, host: str) -> LostWrites | None:
        """What the disk of a host lost with its power."""
        return self._do(say.WritesLost(host=host), LostWrites | None)  # type: ignore[arg-type]  # a union is a type to msgspec
