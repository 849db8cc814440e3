"""Faults of disks: full, slow, read-only, deaf to fsync, and forgetful when the power goes. Pure.

A host's disk is what its member keeps its files on. It counts what it refuses or holds up, and these counts, raised by
a small file that a program tries to write there, are the witness.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Meta

from bascule.chaos.disk import DiskTrouble, DiskTry
from bascule.chaos.faults.host import PowerLoss
from bascule.chaos.faults.port import Fault, Witness
from bascule.chaos.platform import Platform


class DiskFault(Fault, frozen=True, kw_only=True):
    """Something is wrong with the disks of some hosts: what `trouble` says."""

    NEEDS: ClassVar = frozenset({"disk"})
    UNDONE_BY: ClassVar = "ending it: what was held up goes on"
    WORD: ClassVar[str] = ""
    ERROR: ClassVar[str] = ""

    hosts: tuple[str, ...]

    def trouble(self) -> DiskTrouble:
        """What shall be wrong."""
        raise AssertionError

    def told(self) -> str:
        """What shall be wrong, in words."""
        raise AssertionError

    def steps(self) -> tuple[str, ...]:
        """One disk a host."""
        return tuple(f"{self.told()}: the disk of {host}" for host in self.hosts)

    def ready(self, platform: Platform) -> Witness:
        """Nothing of it is there, and a small file can be written and synced on each disk."""
        having = self._having(platform)
        tries = [platform.try_disk(host) for host in self.hosts]
        failed = [_told(host, one) for host, one in zip(self.hosts, tries, strict=True) if one.error]
        told = f"{having} of {len(self.hosts)} disks have it; a small file could be written on {_all_but(tries)}"
        return Witness(seen=bool(self.hosts) and not having and not failed, evidence=(told, *failed))

    def inject(self, platform: Platform) -> tuple[int, ...]:
        """Bring it to each disk."""
        for host in self.hosts:
            platform.add_disk_trouble(host, self.trouble())
        return ()

    def witness(self, platform: Platform, hit: tuple[int, ...]) -> Witness:  # noqa: ARG002 - operations, not pids, are hit
        """A small file meets it on each disk, and each disk counts that."""
        seen: list[bool] = []
        told: list[str] = []
        for host in self.hosts:
            one = platform.try_disk(host)
            counts = platform.disk_counts(host, self.trouble())
            count = counts.hit if counts else 0
            seen.append(count > 0 and self.met_by(one))
            told.append(f"{count} operations were {self.WORD} on the disk of {host}; {_told(host, one)}")
        return Witness(seen=bool(seen) and all(seen), evidence=tuple(told))

    def met_by(self, one: DiskTry) -> bool:
        """Whether this is what becomes of a small file while it acts."""
        return one.error == self.ERROR

    def undo(self, platform: Platform) -> None:
        """Take it away from each disk."""
        for host in self.hosts:
            platform.remove_disk_trouble(host, self.trouble())

    def undone(self, platform: Platform) -> Witness:
        """No disk has it."""
        left = self._having(platform)
        return Witness(seen=not left, evidence=(f"{left} of {len(self.hosts)} disks have it",))

    def _having(self, platform: Platform) -> int:
        return sum(platform.disk_counts(host, self.trouble()) is not None for host in self.hosts)


class DiskFull(DiskFault, frozen=True, kw_only=True, tag="disk-full"):
    """No file can be made or grow on the disks: ENOSPC. What is there can be read, overwritten and removed."""

    DOES: ClassVar = "refuses to make files and to let them grow: ENOSPC; what is removed makes room again"
    SEEN_BY: ClassVar = "each disk counts operations that it refused, and a small file meets ENOSPC"
    WORD: ClassVar = "refused"
    ERROR: ClassVar = "ENOSPC"

    def trouble(self) -> DiskTrouble:
        """No room."""
        return DiskTrouble(kind="full")

    def told(self) -> str:
        """The kernel's words."""
        return "no space left"


class DiskSlow(DiskFault, frozen=True, kw_only=True, tag="disk-slow"):
    """Every read, write and sync takes longer, and no more than so many bytes a second are read and written."""

    DOES: ClassVar = "holds reads, writes and syncs up by a time, and to so many bytes a second"
    SEEN_BY: ClassVar = "each disk counts operations that it held up, and a small file takes twice the delay"
    WORD: ClassVar = "held up"

    delay_s: Annotated[float, Meta(ge=0.001, le=2.0)]
    rate_bytes_per_s: Annotated[float, Meta(ge=1e5, le=1e9)] = 1e9

    def trouble(self) -> DiskTrouble:
        """A delay, and a bound."""
        return DiskTrouble(kind="slow", delay_s=self.delay_s, rate_bytes_per_s=self.rate_bytes_per_s)

    def told(self) -> str:
        """In milliseconds."""
        return f"{self.delay_s * 1000:g} ms more for each operation, at most {self.rate_bytes_per_s / 1e6:g} MB/s"

    def met_by(self, one: DiskTry) -> bool:
        """Its write and its sync were held up."""
        return not one.error and one.took_s >= 2 * self.delay_s


class DiskReadOnly(DiskFault, frozen=True, kw_only=True, tag="disk-read-only"):
    """Nothing can be changed on the disks any more: EROFS, as after the kernel found an error on them."""

    DOES: ClassVar = "refuses every change, also to files that are open: EROFS; reading goes on"
    SEEN_BY: ClassVar = "each disk counts operations that it refused, and a small file meets EROFS"
    WORD: ClassVar = "refused"
    ERROR: ClassVar = "EROFS"

    def trouble(self) -> DiskTrouble:
        """No changes."""
        return DiskTrouble(kind="read-only")

    def told(self) -> str:
        """The kernel's words."""
        return "read-only"


class SyncFailure(DiskFault, frozen=True, kw_only=True, tag="disk-fsync-failure"):
    """fsync, fdatasync and msync fail: EIO. Writes go through, and nobody knows whether they are kept."""

    DOES: ClassVar = "fails every fsync, fdatasync and msync: EIO; writes go through"
    SEEN_BY: ClassVar = "each disk counts syncs that it failed, and a small file meets EIO when it is synced"
    WORD: ClassVar = "failed"
    ERROR: ClassVar = "EIO"

    def trouble(self) -> DiskTrouble:
        """No sync."""
        return DiskTrouble(kind="sync-error")

    def told(self) -> str:
        """What fails."""
        return "fsync fails"

    def met_by(self, one: DiskTry) -> bool:
        """Written, and then not synced."""
        return one.error == self.ERROR and one.step == "sync"


class DiskLostWrites(PowerLoss, frozen=True, kw_only=True, tag="disk-lost-writes"):
    """Hosts lose their power, and their disks every byte that no fsync had asked for: what a plain loss never shows."""

    NEEDS: ClassVar = frozenset({"process", "host", "disk"})
    DOES: ClassVar = "cuts the hosts' wires, then SIGKILL to everything on them, then takes back what was not synced"
    SEEN_BY: ClassVar = (
        "no process of theirs lives, no datagram from a host that stands reaches them, and each disk says what it lost"
    )
    UNDONE_BY: ClassVar = "plugging the wires in and starting what ran there; what is lost stays lost"

    def steps(self) -> tuple[str, ...]:
        """One step a host."""
        return tuple(f"cut the power of {host}, and lose what its disk had not synced" for host in self.hosts)

    def ready(self, platform: Platform) -> Witness:
        """Every host is reached, and something on them has a disk that works."""
        reached = super().ready(platform)
        tries = [platform.try_disk(host) for host in self._with_disks(platform)]
        told = f"a small file could be written on {_all_but(tries)}"
        good = bool(tries) and not any(one.error for one in tries)
        return Witness(seen=reached.seen and good, evidence=(*reached.evidence, told))

    def inject(self, platform: Platform) -> tuple[int, ...]:
        """Power off, and forget; what ran there counts as hit."""
        members = [member for host in self.hosts for member in platform.members(host)]
        doomed = tuple(process.pid for member in members for process in platform.processes(member))
        platform.lose_writes(self.hosts)
        return doomed

    def witness(self, platform: Platform, hit: tuple[int, ...]) -> Witness:
        """As for every loss of power; and each disk was cut."""
        dark = super().witness(platform, hit)
        losses = {host: platform.writes_lost(host) for host in self._with_disks(platform)}
        told = [
            f"the disk of {host} lost {lost.size_bytes} bytes in {lost.files} files" if lost else f"{host} lost nothing"
            for host, lost in losses.items()
        ]
        seen = dark.seen and bool(losses) and None not in losses.values()
        return Witness(seen=seen, evidence=(*dark.evidence, *told))

    def _with_disks(self, platform: Platform) -> tuple[str, ...]:
        return tuple(host for host in self.hosts if platform.members(host))


def _told(host: str, one: DiskTry) -> str:
    if one.error:
        return f"a small file on {host} met {one.error} at its {one.step}"
    return f"a small file on {host} took {one.took_s * 1000:.1f} ms"


def _all_but(tries: list[DiskTry]) -> str:
    return f"{sum(not one.error for one in tries)} of {len(tries)} disks"
